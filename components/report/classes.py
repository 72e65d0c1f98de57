"""Each class: how often its photos are found, how often its name is right, and what it is taken for."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from components.report.shares import Share
from components.report.sources import Sources

__all__ = ["ClassRow", "class_rows"]

_TAKEN_FOR = 3
_LEAST_GAIN = 0.01  # of a class's photos; less is none


@dataclass(frozen=True)
class ClassRow:
    """A class.

    Attributes:
        name: as in the data.
        words: the same for people.
        added: it is an added one.
        photos: that were learnt from.
        found: of its measured photos, how many are taken for it (recall).
        meant: of the photos that are taken for it, how many are its own (precision).
        unknown: of its measured photos, how many are "unknown".
        taken_for: what its other photos are taken for, most often first, with counts.
        examples: paths of photos that were learnt from.
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


def class_rows(sources: Sources, n_examples: int = 4) -> list[ClassRow]:
    """The classes, those that are found least first; classes without a measured photo come last."""
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
            ClassRow(
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
    return f"{100 * gain:+.0f} points (± {100 * spread:.0f})"
