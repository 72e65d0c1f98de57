"""Confusions of zero-shot, of LDC's start logits and of the shipped head, with similar classes beside each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.report.sources import Sources
from components.report.verdict import head_words

__all__ = ["Confusion", "Moved", "PairRow", "confusion_of", "moved_by_ldc"]

_SHOWN = 36  # the most classes in a readable picture


@dataclass(frozen=True)
class PairRow:
    """Photos of one class that are taken for another.

    Attributes:
        actual: the photos' class, in words.
        taken_for: the other class.
        before: how many with the earlier head.
        after: how many with the shipped head.
        n: photos of the class.
        photo: one of them, confused by the shipped head or, if there is none, by the earlier one.
        example: a training photo of the other class; empty if there is none.
    """

    actual: str
    taken_for: str
    before: int
    after: int
    n: int
    photo: str
    example: str


@dataclass(frozen=True)
class Confusion:
    """Shares of each class's photos, head by head.

    Attributes:
        classes: the classes shown, in words, similar ones beside each other.
        n_classes: how many there are in all.
        heads: name for people to (shown, shown) shares of the row class's photos, 0 to 1.
        before: name of the earlier head, with which the pairs are compared.
        after: name of the shipped head.
        parted: pairs that are confused less than before, the greatest change first.
        remaining: pairs that are still confused, the worst first.
    """

    classes: list[str]
    n_classes: int
    heads: dict[str, NDArray[np.float64]]
    before: str
    after: str
    parted: list[PairRow]
    remaining: list[PairRow]


@dataclass(frozen=True)
class Moved:
    """LDC's mean residual: `values` (shown, shown), on the row class's photos, for the column class's logit.

    It is relative to the right class's residual, minus the mean over all other classes; negative if the class is pushed
    away more than the others.
    """

    classes: list[str]
    values: NDArray[np.float64]


def confusion_of(sources: Sources, most_pairs: int = 8) -> Confusion | None:
    """None if nothing was measured."""
    shipped = sources.metrics["shipped"]["head"]
    columns = sources.by_head
    if not sources.answers or shipped not in columns:
        return None
    before = next((name for name in ("ldc_start", "zero_shot", "nearest_mean") if name in columns), shipped)
    names = [name for name in dict.fromkeys(("zero_shot", before, shipped)) if name in columns]
    if "ldc_start" in names and columns["ldc_start"] == columns.get("zero_shot"):
        names.remove("ldc_start")
    counts = {name: Counter(zip(columns["actual"], columns[name], strict=True)) for name in {*names, before}}
    order = _order(sources, counts[shipped] + counts[before])
    n_of = Counter(columns["actual"])
    place = {name: row for row, name in enumerate(order)}
    heads = {}
    for name in names:
        matrix = np.zeros((len(order), len(order)))
        for (actual, answer), count in counts[name].items():
            if actual in place and answer in place:
                matrix[place[actual], place[answer]] = count / n_of[actual]
        heads[head_words(name)] = matrix
    parted, remaining = _pairs(sources, counts[before], counts[shipped], n_of, before, most_pairs)
    return Confusion(
        [sources.words[name] for name in order],
        len(sources.classes),
        heads,
        head_words(before),
        head_words(shipped),
        parted,
        remaining,
    )


def moved_by_ldc(sources: Sources, shown: list[str]) -> Moved | None:
    """The mean residual among the shown classes (words, in that order); None if LDC was no candidate."""
    rows = sources.plots.get("residual", [])
    if not rows:
        return None
    place = {name: number for number, name in enumerate(shown)}
    values = np.zeros((len(shown), len(shown)))
    for row in rows:
        pair = sources.words.get(row["class"]), sources.words.get(row["other"])
        if pair[0] in place and pair[1] in place:
            values[place[pair[0]], place[pair[1]]] = float(row["beside_others"])
    return Moved(shown, values)


def _order(sources: Sources, mistakes: Counter[tuple[str, str]]) -> list[str]:
    """The classes, similar ones beside each other; if there are many, those confused most."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    classes = sources.classes
    if len(classes) > _SHOWN:
        often: Counter[str] = Counter()
        for (actual, answer), count in mistakes.items():
            if actual != answer:
                often.update({actual: count, answer: count})
        kept = {name for name, _ in often.most_common(_SHOWN)}
        classes = [name for name in classes if name in kept]
    if len(classes) < 3:
        return classes
    place = {name: row for row, name in enumerate(classes)}
    labels = np.array([place.get(name, -1) for name in sources.training.classes])
    means = np.stack([sources.training.embeddings[labels == row].mean(0) for row in range(len(classes))])
    means = means - means.mean(0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    alike = means @ means.T
    n_of = Counter(photo.actual for photo in sources.answers)
    for (actual, answer), count in mistakes.items():
        if actual in place and answer in place and actual != answer:
            share = count / max(1, n_of[actual])
            alike[place[actual], place[answer]] += share
            alike[place[answer], place[actual]] += share
    distance = alike.max() - alike
    np.fill_diagonal(distance, 0.0)
    return [classes[row] for row in leaves_list(linkage(squareform(distance, checks=False), "average"))]


def _pairs(
    sources: Sources,
    before: Counter[tuple[str, str]],
    after: Counter[tuple[str, str]],
    n_of: Counter[str],
    before_name: str,
    most: int,
) -> tuple[list[PairRow], list[PairRow]]:
    def row(pair: tuple[str, str]) -> PairRow:
        columns = sources.by_head
        for name in (sources.metrics["shipped"]["head"], before_name):
            rows = zip(columns["path"], columns["actual"], columns[name], strict=True)
            photo = next((path for path, actual, answer in rows if (actual, answer) == pair), "")
            if photo:
                break
        others = zip(sources.training.paths, sources.training.classes, strict=True)
        example = next((path for path, label in others if label == pair[1]), "")
        words = sources.words
        return PairRow(words[pair[0]], words[pair[1]], before[pair], after[pair], n_of[pair[0]], photo, example)

    pairs = [pair for pair in {*before, *after} if pair[0] != pair[1] and pair[1]]
    gained = sorted(pairs, key=lambda pair: (after[pair] - before[pair], pair))
    parted = [row(pair) for pair in gained[:most] if after[pair] < before[pair]]
    worst = sorted(pairs, key=lambda pair: (-after[pair] / n_of[pair[0]], pair))
    return parted, [row(pair) for pair in worst[:most] if after[pair]]
