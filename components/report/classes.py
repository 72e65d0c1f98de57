"""The figures of each class: recall, precision, and the classes that it is taken for."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from components.report.shares import Share
from components.report.sources import Sources

__all__ = ["ClassFigures", "class_rows"]

_TAKEN_FOR = 3
_LEAST_GAIN = 0.01  # share of a class's photos; less counts as none


@dataclass(frozen=True)
class ClassFigures:
    """A class.

    Attributes:
        name: as in the data.
        words: the name for people.
        added: whether it is an added class.
        photos: number of photos that were learnt from.
        found: share of its measured photos that are answered with it (recall).
        meant: share of the photos answered with it that are its own (precision).
        unknown: number of its measured photos that are "unknown".
        taken_for: answers to its other photos, most frequent first, with counts.
        examples: paths of some photos that were learnt from.
        more: what more photos of it would bring, in words; empty if nothing can be said.
    """

    name: str
    words: str
    added: bool
    photos: int
    found: Share
    meant: Share
    unknown: Share
    taken_for: list[tuple[str, int]]
    examples: list[str]
    more: str


def class_rows(sources: Sources, n_examples: int = 4) -> list[ClassFigures]:
    """The classes, lowest recall first; classes without a measured photo come last."""
    confused: dict[str, Counter[str]] = defaultdict(Counter)
    unknown: Counter[str] = Counter()
    for photo in sources.answers:
        confused[photo.actual][photo.answer] += 1
        unknown[photo.actual] += photo.abstained
    answers = Counter(photo.answer for photo in sources.answers)
    photos: dict[str, list[str]] = defaultdict(list)
    for path, label in zip(sources.training.paths, sources.training.classes, strict=True):
        photos[label].append(path)
    trained = set(sources.bundle["class_names"])
    promised = {each["class"]: _promised(each) for each in sources.metrics.get("more_photos", {}).get("classes", [])}
    rows = []
    for name in sources.classes:
        own, n = confused[name], sum(confused[name].values())
        others = [(sources.words[other], count) for other, count in own.most_common() if other != name]
        rows.append(
            ClassFigures(
                name=name,
                words=sources.words[name],
                added=name not in trained,
                photos=len(photos[name]),
                found=Share(own[name], n),
                meant=Share(own[name], answers[name]),
                unknown=Share(unknown[name], n),
                taken_for=others[:_TAKEN_FOR],
                examples=photos[name][:n_examples],
                more=promised.get(name, ""),
            )
        )
    return sorted(rows, key=lambda row: (row.found.n == 0, row.found.share if row.found.n else 1.0, row.name))


def _promised(each: dict[str, Any]) -> str:
    gain, spread = each["gain"], each["spread"]
    if gain < max(_LEAST_GAIN, spread):
        return "enough" if gain + spread < _LEAST_GAIN else "little"
    points = round(100 * gain)
    return f"{points:+d} {'point' if points == 1 else 'points'} (± {100 * spread:.0f})"
