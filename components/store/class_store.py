"""The live classes in Feast's online store, keyed by class and version, and which version a workspace has live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.errors import UserInputError
from components.store.repository import feature_store
from components.store.sources import keep_rows, source_file

__all__ = ["ClassRow", "ClassStore", "LiveRow"]


@dataclass(frozen=True)
class ClassRow:
    """One class of one version.

    Attributes:
        name: as answers name it.
        words: the name for people and text encoders.
        kind: `trained` or `added`.
        made_from: the source of its embedding: `name`, `photos`, or both.
        place: its column in the answers.
        offset: to its calibrated logit; 0 for a trained class.
        embedding: (d,) float32.
    """

    name: str
    words: str
    kind: str
    made_from: str
    place: int
    offset: float
    embedding: Tensor


@dataclass(frozen=True)
class LiveRow:
    """The live version of a workspace.

    Attributes:
        workspace: its identity.
        version: the live version.
        bundle: version of its bundle.
        moved: since when, ISO 8601 in UTC, as the pointer says.
        classes: names in the order of their columns.
        logit_scale: the factor by which the backbone multiplies cosines.
        threshold: a photo whose highest probability is lower is unknown; None: it never abstains.
        backbone: SHA-256 of its weights.
    """

    workspace: str
    version: str
    bundle: str
    moved: str
    classes: tuple[str, ...]
    logit_scale: float
    threshold: float | None
    backbone: str


class ClassStore:
    """Feast's online store in the workspace; one process writes at a time, any may read.

    Importing Feast takes about five seconds; it happens at the first use.

    Args:
        repository: the folder with `feature_store.yaml`.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def write_classes(self, version: str, rows: Sequence[ClassRow], made: datetime) -> None:
        """Write the classes of a version; writing the same rows again changes nothing."""
        keys = {"version": [version] * len(rows), "class_name": [row.name for row in rows]}
        self._write(
            "class_facts",
            {
                **keys,
                "words": [row.words for row in rows],
                "kind": [row.kind for row in rows],
                "made_from": [row.made_from for row in rows],
                "place": np.array([row.place for row in rows], dtype=np.int32),
            },
            made,
        )
        offsets = np.array([row.offset for row in rows], dtype=np.float32)
        embeddings = [row.embedding.numpy().astype(np.float32) for row in rows]
        self._write("class_embeddings", {**keys, "offset": offsets, "embedding": embeddings}, made)
        # All of them in one row too: Feast takes some 0.1 ms of Python a row that it reads.
        self._write(
            "version_vectors",
            {
                "version": [version],
                "class_names": [keys["class_name"]],
                "offsets": [offsets],
                "embeddings": [np.stack(embeddings).astype("<f4").tobytes() if rows else b""],
            },
            made,
        )

    def write_live(self, row: LiveRow) -> None:
        """Write which version is live; the caller has checked that it is not older."""
        self._write(
            "live_version",
            {
                "workspace": [row.workspace],
                "version": [row.version],
                "bundle": [row.bundle],
                "moved": [row.moved],
                "classes": [list(row.classes)],
                "logit_scale": np.array([row.logit_scale], dtype=np.float32),
                "threshold": np.array([np.nan if row.threshold is None else row.threshold], dtype=np.float32),
                "backbone": [row.backbone],
            },
            datetime.fromisoformat(row.moved),
        )

    def live(self, workspace: str) -> LiveRow | None:
        """The live version of the workspace of that identity; None if it is not in the store."""
        features = ("version", "bundle", "moved", "classes", "logit_scale", "threshold", "backbone")
        (row,) = self._read("live_version", features, [{"workspace": workspace}])
        if row["version"] is None:
            return None
        threshold = row["threshold"]  # Feast stores NaN as a missing value, and returns None for it
        return LiveRow(
            workspace,
            row["version"],
            row["bundle"],
            row["moved"],
            tuple(row["classes"]),
            float(row["logit_scale"]),
            None if threshold is None or np.isnan(threshold) else float(threshold),
            row["backbone"],
        )

    def vectors(self, version: str, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Embeddings (n, d) and offsets (n,) float32 of classes of a version, in the order asked for.

        An added class's calibrated logit of a unit image embedding x is `logit_scale * <x, embedding> + offset`.

        Raises:
            UserInputError: the store does not have all of them.
        """
        (row,) = self._read("version_vectors", ("class_names", "offsets", "embeddings"), [{"version": version}])
        place = {name: number for number, name in enumerate(row["class_names"] or [])}
        if missing := [name for name in names if name not in place]:
            raise UserInputError(
                f"{len(missing)} of {len(names)} classes of the version {version} are not in the online store",
                on=missing[0],
                remedy="ask for the classes that `live` names, of the version that it names",
            )
        wanted = [place[name] for name in names]
        if not wanted:
            return torch.empty(0, 0), torch.empty(0)
        embeddings = np.frombuffer(row["embeddings"], dtype="<f4").reshape(len(place), -1)
        return torch.from_numpy(embeddings[wanted]), torch.from_numpy(row["offsets"][wanted])

    def classes(self, version: str, names: Sequence[str]) -> list[ClassRow]:
        """Classes of a version, in the order asked for; missing ones are left out."""
        facts = self._read("class_facts", ("words", "kind", "made_from", "place"), _keys(version, names))
        there = [(name, row) for name, row in zip(names, facts, strict=True) if row["words"] is not None]
        embeddings, offsets = self.vectors(version, [name for name, _ in there])
        return [
            ClassRow(name, row["words"], row["kind"], row["made_from"], int(row["place"]), offset, embedding)
            for (name, row), offset, embedding in zip(there, offsets.tolist(), embeddings, strict=True)
        ]

    @cached_property
    def _feast(self) -> Any:
        return feature_store(self._repository)

    def _write(self, view: str, columns: dict[str, Any], event_time: datetime) -> None:
        import pandas as pd

        rows = pd.DataFrame(columns)
        rows["event_timestamp"] = pd.Series([event_time] * len(rows), dtype="datetime64[us, UTC]")
        self._feast.write_to_online_store(view, rows)
        keep_rows(source_file(self._repository, view), rows)

    def _read(self, view: str, features: Sequence[str], asked: list[dict[str, str]]) -> list[dict[str, Any]]:
        """A row per entity; vectors as (d,) float32 arrays, None if there is no value."""
        if not asked:
            return []
        # By columns: Feast would turn rows of entities into columns key by key. As protobuf: its `to_dict` makes a list of
        # numbers of each vector, two thirds of a read.
        keys = {name: [row[name] for row in asked] for name in asked[0]}
        response = self._feast.get_online_features([f"{view}:{name}" for name in features], keys).proto
        columns = dict(zip(response.metadata.feature_names.val, response.results, strict=True))
        values = [[_value(value) for value in columns[name].values] for name in features]
        return [dict(zip(features, row, strict=True)) for row in zip(*values, strict=True)]


def _keys(version: str, names: Sequence[str]) -> list[dict[str, str]]:
    return [{"version": version, "class_name": name} for name in names]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("val")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "float_list_val":
        return np.array(found.val, dtype=np.float32)
    return list(found.val) if kind.endswith("_list_val") else found
