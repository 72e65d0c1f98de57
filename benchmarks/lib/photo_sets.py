"""Photo sets for measuring: a folder of photos becomes cached features once, and a drawn task as often as wanted."""

from __future__ import annotations

import csv
import functools
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from components.backbone import Backbone, load_backbone
from components.features import FeatureCache, Features, LevelMode, View, class_embeddings, encode_missing, feature_key
from components.heads import Support
from components.ingest import IngestSettings, draw_sample, groups_of, ingest

MODELS = Path(__file__).resolve().parents[2] / "models"
TEMPLATES = ("a photo of a {}.",)


@dataclass
class PhotoSet:
    """A set of labelled photos with a test split, and a backbone that looks at them.

    Attributes:
        root: its folder, in any layout that `components.ingest` reads; a `classes.csv` there may give names.
        backbone: encodes.
        cache: folder of the features cache, kept between runs.
        views: augmented views of each training photo beside the clean one.
        levels: the form in which features carry their levels.
    """

    root: Path
    backbone: Backbone
    cache: Path
    views: int = 0
    levels: LevelMode = "pooled"

    @property
    def _ingested(self):  # type: ignore[no-untyped-def]
        return _ingested(self.root)

    @cached_property
    def class_names(self) -> list[str]:
        """Words of each class, in the order of labels."""
        names: list[str] = self._ingested.classes["name"].to_pylist()
        return names

    @cached_property
    def text_embeddings(self) -> Tensor:
        """(classes, d)."""
        return class_embeddings(self.class_names, TEMPLATES, self.backbone)

    @cached_property
    def _label(self) -> dict[str, int]:
        place = {name: number for number, name in enumerate(self._ingested.classes["class"].to_pylist())}
        manifest = self._ingested.manifest
        return {i: place[c] for i, c in zip(manifest["id"].to_pylist(), manifest["class"].to_pylist(), strict=True)}

    @cached_property
    def _thumbnail(self) -> dict[str, bytes]:
        rows = self._ingested.manifest.select(["id", "thumbnail"]).to_pylist()
        return {row["id"]: row["thumbnail"] for row in rows}

    def support(self, shots: int, seed: int) -> Support:
        """A support set drawn as the stage ingest draws it."""
        return self._labelled("support", shots, seed, self.views)

    def validation(self, shots: int, seed: int) -> Support | None:
        """The validation photos that go with it, min(shots, 4) a class; None where the set has no such split."""
        return self._labelled("validation", shots, seed, 0) if self._ids("validation", shots, seed) else None

    def _labelled(self, role: str, shots: int, seed: int, n_views: int) -> Support:
        ids = self._ids(role, shots, seed)
        # Among these photos alone, as the stage classifier groups them.
        groups = groups_of([self._thumbnail[image_id] for image_id in ids], IngestSettings().near_duplicate)
        views = [View(image_id, number) for image_id in ids for number in range(1 + n_views)]
        return Support(
            features=self._features(views),
            labels=torch.tensor([self._label[view.image_id] for view in views]),
            images=torch.arange(len(ids)).repeat_interleave(1 + n_views),
            groups=torch.from_numpy(groups).repeat_interleave(1 + n_views),
            views=torch.tensor([view.number for view in views]),
            n_classes=len(self.class_names),
            text_embeddings=self.text_embeddings,
            logit_scale=self.backbone.logit_scale,
            covariance=self.backbone.covariance,
            projector=self.backbone.projector,
            seed=seed,
        )

    def files_of(self, images: list[int], shots: int, seed: int) -> tuple[list[str], dict[str, Path]]:
        """Ids and files of some images of a support set, by the numbers that it has for them."""
        ids = self._ids("support", shots, seed)
        chosen = [ids[image] for image in images]
        return chosen, {image_id: self._files[image_id] for image_id in chosen}

    @cached_property
    def query(self) -> tuple[Features, Tensor]:
        """Features and labels of all test photos."""
        ids = self._ids("query", 0, 0)
        return self._features([View(image_id) for image_id in ids]), torch.tensor([self._label[i] for i in ids])

    def _ids(self, role: str, shots: int, seed: int) -> list[str]:
        sample = draw_sample(self._ingested.manifest, shots=shots, seed=seed, validation_shots=min(shots, 4))
        return [i for i, r in zip(sample["id"].to_pylist(), sample["role"].to_pylist(), strict=True) if r == role]

    @cached_property
    def _files(self) -> dict[str, Path]:
        manifest = self._ingested.manifest
        return {
            image_id: self.root / path
            for image_id, path in zip(manifest["id"].to_pylist(), manifest["path"].to_pylist(), strict=True)
        }

    def _features(self, views: list[View]) -> Features:
        cache = FeatureCache(self.cache)
        mode: LevelMode = "full" if self.levels == "full" else "grid"
        encode_missing(views, self._files, self.backbone, cache, mode=mode)
        keys = [feature_key(view, self.backbone.identity.digest, mode) for view in views]
        if self.levels != "pooled":
            return cache.read(keys, mapped=True)
        parts = []
        for start in range(0, len(keys), 1024):  # whole grids of all photos need not be in memory at once
            parts.append(cache.read(keys[start : start + 1024]).pooled())
        return Features.concatenate(parts)


@functools.cache
def _ingested(root: Path):  # type: ignore[no-untyped-def]
    """Each photo is decoded once, however many forms of levels are read of it."""
    with tempfile.TemporaryDirectory() as folder:
        return ingest(root, settings=IngestSettings(shots=0), class_names=_names(root, Path(folder)))


def photo_set(
    root: Path, *, cache: Path, backbone: str = "embedded", views: int = 0, levels: LevelMode = "pooled"
) -> PhotoSet:
    """The photo set under `root`; exits with a line where there is none."""
    if not root.is_dir():
        sys.exit(f"{root} is no folder; unpack the photo set there")
    return PhotoSet(root, load_backbone(backbone, models=MODELS), cache, views, levels)


def _names(root: Path, folder: Path) -> Path | None:
    """A classes.csv of ours made from the set's own, which says `class` where ours says `folder`."""
    theirs = root / "classes.csv"
    if not theirs.is_file():
        return None
    with theirs.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    key = "folder" if "folder" in rows[0] else "class"
    ours = folder / "classes.csv"
    with ours.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["folder", "name"], *([row[key], row["name"]] for row in rows)])
    return ours
