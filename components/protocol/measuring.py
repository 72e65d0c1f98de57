"""Measures one set: it is read once and encoded through the features cache; then heads are fitted and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from components.backbone import Backbone
from components.classifier import ClassifierSettings, choose, fit_candidates
from components.classifier.candidates import Candidate, fit_candidate
from components.features import Features, FeaturesSettings, PhotoFeatures, View, class_embeddings, features_cache
from components.files import digest, sha256_bytes
from components.heads import Support
from components.ingest import Entry, Ingested, IngestSettings, Listing, draw_sample, groups_of, ingest
from components.ldc import LdcHead, LdcSettings, fit_ldc
from components.protocol.results import Measured, Results
from components.protocol.sets import FoundSet, shifted
from components.threads import one_thread
from components.wording import counted
from components.workspace import Workspace

__all__ = ["Measured", "Protocol", "Task", "measure"]

Told = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """The training data of one fit.

    Attributes:
        setting: `all`, or `base` for the first half of the classes.
        shots: labelled photos per class.
        seed: draws them.
    """

    setting: str
    shots: int
    seed: int


@dataclass(frozen=True)
class Protocol:
    """The measurements to make.

    Attributes:
        workspace: gives backbone parameters and features cache.
        backbone: the loaded backbone.
        heads: their names.
        shots: labelled photos per class, each in turn.
        seeds: seeds of the drawings, each in turn.
        base_to_new: measure half of the classes against the other half too.
    """

    workspace: Workspace
    backbone: Backbone
    heads: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    base_to_new: bool = True

    def section(self, name: str, settings: type[Any]) -> Any:
        """A section of the workspace's parameters."""
        return self.workspace.parameters.section(name, settings)


def measure(
    found: FoundSet, protocol: Protocol, results: Results, told: Told, *, shifts: Path | None = None
) -> set[str]:
    """Measure a set and add what is new to `results`.

    Args:
        found: the set.
        protocol: what is measured.
        results: a task that it has already is not measured again.
        told: called with a line per task.
        shifts: the folder of sets that shift it, for ImageNet.

    Returns:
        The digests of its tasks.

    Raises:
        UserInputError: the set cannot be read.
    """
    told(f"{found.name}: reading its photos")
    photos = _Set(found, protocol)
    tasks: set[str] = set()
    settings = ("all", "base") if protocol.base_to_new else ("all",)
    for shots in protocol.shots:
        for seed in protocol.seeds:
            for setting in settings:
                task = Task(setting, shots, seed)
                of = photos.digest(task, shifts)
                tasks.add(of)
                if results.has(of):
                    told(f"{found.name}, {setting}, {counted(shots, 'shot')}, seed {seed}: measured already")
                    continue
                rows = list(photos.measured(task, of, shifts))
                for row in rows[1:] + rows[:1]:  # the row that marks the task as done comes last
                    results.add(row)
                best = ", ".join(f"{head} {100 * top1:.1f}" for head, top1 in rows[0].top1.items())
                told(f"{found.name}, {setting}, {counted(shots, 'shot')}, seed {seed}: {best}")
    return tasks


class _Set:
    """A set's photos, ingested once, with their features."""

    def __init__(self, found: FoundSet, protocol: Protocol) -> None:
        self._found, self._protocol = found, protocol
        self._limits = protocol.section("ingest", IngestSettings)
        self._listing = None if found.listing is None else found.listing(found.root)
        self._files: dict[str, Path] = {}
        self._ingested = self._read(found.root, self._listing)
        self._labels = self._ingested.classes["class"].to_pylist()

    def _read(self, root: Path, listing: Listing | None) -> Ingested:
        examined = self._protocol.workspace.features_cache / f"examined-{sha256_bytes(bytes(root))[:16]}.sqlite"
        read = ingest(root, settings=replace(self._limits, shots=0), listing=listing, examined=examined)
        for image_id, path in zip(read.manifest["id"].to_pylist(), read.manifest["path"].to_pylist(), strict=True):
            self._files[image_id] = root / path
        return read

    @cached_property
    def _features(self) -> PhotoFeatures:
        protocol = self._protocol
        return PhotoFeatures(
            features_cache(protocol.workspace),
            mode=protocol.section("features", FeaturesSettings).mode,
            made_with=protocol.backbone.identity,
            backbone=lambda: protocol.backbone,
            files=lambda: self._files,
            limits=self._limits.limits,
        )

    @cached_property
    def _texts(self) -> Tensor:
        templates = self._protocol.section("features", FeaturesSettings).templates
        with one_thread():
            return class_embeddings(self._ingested.classes["name"].to_pylist(), templates, self._protocol.backbone)

    def digest(self, task: Task, shifts: Path | None) -> str:
        """Digest of everything on which a task's figures depend."""
        protocol = self._protocol
        manifest = self._ingested.manifest.select(["id", "class", "split"]).to_pylist()
        return digest(
            {
                "photos": digest([list(row.values()) for row in manifest]),
                "names": self._ingested.classes["name"].to_pylist(),
                "task": asdict(task),
                "backbone": protocol.backbone.identity.digest,
                "heads": sorted(protocol.heads),
                "features": protocol.section("features", FeaturesSettings).mode,
                "templates": list(protocol.section("features", FeaturesSettings).templates),
                "classifier": asdict(protocol.section("classifier", ClassifierSettings)),
                "ldc": asdict(protocol.section("ldc", LdcSettings)) if LdcHead.name in protocol.heads else None,
                "shifts": sorted(name for name, _, _ in shifted(shifts)) if shifts is not None else [],
            }
        )

    def measured(self, task: Task, of: str, shifts: Path | None) -> Iterator[Measured]:
        """The task's own row, then rows of the other sets on which its heads are measured."""
        half = (len(self._labels) + 1) // 2
        classes = self._labels if task.setting == "all" else self._labels[:half]
        support, query, labels = self._drawn(task, classes)
        candidates = self._fitted(support)
        with one_thread():
            choice = choose(candidates, support)
        own = Measured(
            of, self._found.name, task.setting, task.shots, task.seed, len(classes), len(labels), {}, choice.name
        )
        yield replace(own, top1=_top1(candidates, query, labels))
        if task.setting == "base":
            rest = self._labels[half:]
            _, query, labels = self._drawn(task, rest)
            words = self._texts[half:]
            top1 = _share(query.embedding @ words.T, labels)
            # No photo of the new classes was learnt from, so only their words answer, for every head.
            top1_of = {candidate.name: top1 for candidate in candidates}
            yield replace(own, of=f"{of}/new", setting="new", classes=len(rest), query=len(labels), top1=top1_of)
        elif shifts is not None:
            for name, folder, numbered in shifted(shifts):
                yield self._shifted(own, name, folder, numbered, candidates)

    def _drawn(self, task: Task, classes: Sequence[str]) -> tuple[Support, Features, Tensor]:
        """Support set, query features and query labels, of some classes."""
        keep = pc.is_in(self._ingested.manifest["class"], value_set=pa.array(classes, pa.string()))
        manifest = self._ingested.manifest.filter(keep)
        drawn = draw_sample(manifest, shots=task.shots, seed=task.seed, validation_shots=1).to_pylist()
        place = {name: number for number, name in enumerate(classes)}
        support = [row for row in drawn if row["role"] == "support"]
        query = [row for row in drawn if row["role"] == "query"]
        if not query:  # no split: photos that are not drawn are measured on
            known = {row["id"] for row in support}
            query = [row for row in manifest.to_pylist() if row["id"] not in known]
        thumbnail = dict(zip(manifest["id"].to_pylist(), manifest["thumbnail"].to_pylist(), strict=True))
        groups = groups_of([thumbnail[row["id"]] for row in support], self._limits.near_duplicate)
        settings = self._protocol.section("classifier", ClassifierSettings)
        backbone = self._protocol.backbone
        rows = [self._labels.index(name) for name in classes]
        return (
            Support(
                features=self._features.read([View(row["id"]) for row in support], pooled=True),
                labels=torch.tensor([place[row["class"]] for row in support]),
                images=torch.arange(len(support)),
                groups=torch.from_numpy(groups),
                views=torch.zeros(len(support), dtype=torch.int64),
                n_classes=len(classes),
                text_embeddings=self._texts[rows],
                logit_scale=backbone.logit_scale,
                covariance=backbone.covariance,
                projector=backbone.projector,
                seed=task.seed,
                n_folds=settings.folds,
                n_repeats=settings.repeats,
            ),
            self._features.read([View(row["id"]) for row in query], pooled=True),
            torch.tensor([place[row["class"]] for row in query]),
        )

    def _fitted(self, support: Support) -> list[Candidate]:
        heads = [name for name in self._protocol.heads if name != LdcHead.name]
        with one_thread():
            candidates = fit_candidates(support, heads)
            if LdcHead.name in self._protocol.heads and support.projector is not None:
                settings = replace(self._protocol.section("ldc", LdcSettings), level_mode="pooled")
                candidates.append(fit_candidate(LdcHead.name, lambda part: fit_ldc(part, settings).head, support))
        return candidates

    def _shifted(
        self, own: Measured, name: str, folder: Path, numbered: bool, candidates: Sequence[Candidate]
    ) -> Measured:
        """The heads on another set of the same classes, or of some of them."""
        listing = Listing("shift")
        for inside in sorted(path for path in folder.iterdir() if path.is_dir()):
            label = self._labels[int(inside.name)] if numbered else inside.name
            if label in self._labels:
                listing.entries += [
                    Entry(f"{inside.name}/{path.name}", label, None) for path in inside.iterdir() if path.is_file()
                ]
        listing.names = {entry.label: entry.label for entry in listing.entries}
        manifest = self._read(folder, listing).manifest
        there = sorted({self._labels.index(label) for label in manifest["class"].to_pylist()})
        place = {self._labels[number]: column for column, number in enumerate(there)}
        query = self._features.read([View(image_id) for image_id in manifest["id"].to_pylist()], pooled=True)
        labels = torch.tensor([place[label] for label in manifest["class"].to_pylist()])
        return replace(
            own,
            of=f"{own.of}/{name}",
            setting=name,
            classes=len(there),
            query=len(labels),
            top1=_top1(candidates, query, labels, there),
        )


def _top1(
    candidates: Sequence[Candidate], query: Features, labels: Tensor, columns: Sequence[int] | None = None
) -> dict[str, float]:
    """Top-1 of each head; with `columns` only among these classes."""
    with one_thread():
        scores = {candidate.name: candidate.head.scores(query) for candidate in candidates}
    return {name: _share(each if columns is None else each[:, list(columns)], labels) for name, each in scores.items()}


def _share(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1) == labels).double().mean()) if len(labels) else float("nan")
