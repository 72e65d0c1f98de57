"""The sources of a report: files that the stages wrote, read once."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artefacts import (
    AnsweredPhoto,
    FeatureKeys,
    PhotoTables,
    answers_file,
    embeddings_file,
    metrics_file,
    read_answers,
    read_answers_by_head,
    read_embeddings,
    read_metrics,
)
from components.bank import BankFacts
from components.classifier.facts import read_facts
from components.errors import UserInputError
from components.live import Versions
from components.live.versions import Version
from components.workspace import Workspace

__all__ = ["Embedded", "Sources", "read_sources"]

_REMEDY = "run `shotline train`, or `shotline stage evaluate`"


@dataclass(frozen=True)
class Embedded:
    """Photos with their embeddings.

    Attributes:
        paths: relative to the workspace.
        classes: of each.
        embeddings: (n, d) float32, unit length.
    """

    paths: list[str]
    classes: list[str]
    embeddings: NDArray[np.float32]

    def rows(self, index: NDArray[Any]) -> Embedded:
        """The chosen rows, in that order."""
        places = index.tolist()
        return Embedded(
            [self.paths[place] for place in places], [self.classes[place] for place in places], self.embeddings[index]
        )


@dataclass(frozen=True)
class Sources:
    """The contents of a report, from the stages' outputs.

    Attributes:
        root: the workspace.
        metrics: `reports/metrics.json`.
        answers: `reports/answers.csv`.
        by_head: `reports/answers_by_head.csv`, column by column.
        plots: rows of each table in `reports/plots`, by name.
        bundle: `bundle.json`.
        bank: its added classes.
        words: class to its words.
        training: the photos that were learnt from, including those of added classes.
        measured: the photos that are measured on; empty if figures are out of fold.
        pool: (p, d) float32, unit length: embeddings of the photos without a label that training took.
        versions: live ones, oldest first.
        live: name of the one in use; None if nothing is live.
        timings: `reports/timings.json`.
        ldc: the rows of LDC's log.
    """

    root: Path
    metrics: dict[str, Any]
    answers: list[AnsweredPhoto]
    by_head: dict[str, list[str]]
    plots: dict[str, list[dict[str, str]]]
    bundle: dict[str, Any]
    bank: BankFacts
    words: dict[str, str]
    training: Embedded
    measured: Embedded
    pool: NDArray[np.float32]
    versions: list[Version] = field(default_factory=list)
    live: str | None = None
    timings: dict[str, Any] = field(default_factory=dict)
    ldc: list[dict[str, str]] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """Trained ones, then added ones."""
        return [*self.bundle["class_names"], *(each.name for each in self.bank.classes)]

    @property
    def on_query(self) -> bool:
        """Whether there are query photos; if not, every figure is out of fold."""
        return bool(self.metrics["evidence"] == "query")


def read_sources(workspace: Workspace) -> Sources:
    """Read them.

    Raises:
        UserInputError: the stages have not run, or what they wrote cannot be read.
    """
    reports = workspace.reports
    bundle = read_facts(workspace.bundle)
    bank = BankFacts.read(workspace.bank)
    path = answers_file(reports)
    if not path.is_file() or not metrics_file(reports).is_file():
        raise UserInputError("nothing has been measured yet", on=str(path), remedy=_REMEDY)
    words = dict(zip(bundle["class_names"], bundle["display_names"], strict=True))
    versions = Versions(workspace.live)
    training, measured, pool = _embedded(workspace, bank, len(bundle["class_names"]))
    return Sources(
        root=workspace.root,
        metrics=read_metrics(reports),
        answers=read_answers(path.read_text(encoding="utf-8"), on=str(path)),
        by_head=read_answers_by_head(reports),
        plots={table.stem: _rows(table) for table in sorted((reports / "plots").glob("*.csv"))},
        bundle=bundle,
        bank=bank,
        words=words | {each.name: each.name for each in bank.classes},
        training=training,
        measured=measured,
        pool=pool,
        versions=versions.all(),
        live=versions.current_name(),
        timings=_timings(reports / "timings.json"),
        ldc=_rows(workspace.ldc / "log.csv"),
    )


def _embedded(workspace: Workspace, bank: BankFacts, n_trained: int) -> tuple[Embedded, Embedded, NDArray[np.float32]]:
    """The photos that were learnt from, those that are measured on, and those of the pool."""
    path = embeddings_file(workspace.features)
    if not path.is_file():
        raise UserInputError(
            "the embeddings are missing", on=str(path), remedy="run `shotline train`, or `dvc checkout`"
        )
    manifest = PhotoTables(workspace.validated).manifest(["id", "path", "class"])
    raw = workspace.raw.relative_to(workspace.root).as_posix()
    place = {
        photo: (f"{raw}/{name}", label)
        for photo, name, label in zip(
            *(manifest[column].to_pylist() for column in ("id", "path", "class")), strict=True
        )
    }

    def of(role: str) -> Embedded:
        views = FeatureKeys.read(workspace.features, [role]).views
        clean = [(view.image_id, view.number) for view in views if view.number == 0]
        places = [place.get(photo, ("", "")) for photo, _ in clean]
        embeddings = read_embeddings(path, clean).numpy()
        return Embedded([name for name, _ in places], [label for _, label in places], embeddings)

    return _with_added(of("support"), workspace, bank, n_trained), of("query"), of("pool").embeddings


def _with_added(training: Embedded, workspace: Workspace, bank: BankFacts, n_trained: int) -> Embedded:
    if not bank.classes:
        return training
    from safetensors.numpy import load_file

    from components.bank import ArrivalPhotos

    kept = load_file(workspace.bank / "bank.safetensors")
    arrived = ArrivalPhotos(workspace.arrivals / "photos")
    photos = [iter(each.photos) for each in bank.classes]
    rows = np.flatnonzero(kept["labels"] >= n_trained)
    labels = (kept["labels"][rows] - n_trained).tolist()
    return Embedded(
        training.paths + [arrived.path(next(photos[label])).relative_to(workspace.root).as_posix() for label in labels],
        training.classes + [bank.classes[label].name for label in labels],
        np.concatenate([training.embeddings, kept["embeddings"][rows].astype(np.float32)]),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _timings(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # untracked: it may be missing
        return {}
    return found
