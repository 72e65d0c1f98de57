"""The verdict of a report in two sentences, with the main figures and the heads compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.report.classes import ClassFigures
from components.report.page import percent
from components.report.shares import Share, mcnemar
from components.report.sources import Sources
from components.wording import counted

__all__ = ["Figure", "HeadRow", "Verdict", "head_rows", "head_words", "in_words", "verdict"]

_POOR = 0.85  # classes with a lower recall are named
_NAMED = 4
_WORDS = {
    "zero_shot": "zero-shot",
    "nearest_mean": "nearest mean",
    "linear_probe": "linear probe",
    "linear_probe_levels": "linear probe, all levels",
    "tip_adapter": "Tip-Adapter",
    "tip_adapter_f": "Tip-Adapter-F",
    "gda": "GDA",
    "map_lr": "MAP-LR",
    "map_lr_pool": "MAP-LR with the pool",
    "lp_plus_plus": "LP++",
    "ldc": "LDC",
    "ldc_start": "what LDC starts from",
}


@dataclass(frozen=True)
class Figure:
    """One prominent figure: its name, its value, and a line of explanation."""

    title: str
    value: str
    told: str


@dataclass(frozen=True)
class Verdict:
    """What the classifier is good for, what not yet (one sentence each), and figures."""

    good: str
    not_yet: str
    figures: list[Figure]


@dataclass(frozen=True)
class HeadRow:
    """A head.

    Attributes:
        name: for people.
        shipped: whether it is the head that answers.
        right: share of photos that it answers rightly.
        nll: nats per photo, lower is better.
        ece: calibration error, lower is better.
        against: p-value of the paired test against the shipped head; None for the shipped head.
    """

    name: str
    shipped: bool
    right: Share
    nll: float | None
    ece: float | None
    against: float | None


def head_words(name: str) -> str:
    """A head's name for people."""
    return _WORDS.get(name, name.replace("_", " "))


def in_words(text: str) -> str:
    """The text with heads' names for people in the place of those in files."""
    names = sorted(_WORDS, key=len, reverse=True)
    return re.sub(rf"\b({'|'.join(names)})\b", lambda found: _WORDS[found[0]], text)


def verdict(sources: Sources, classes: Sequence[ClassFigures]) -> Verdict:
    """The verdict; its figures are of query photos, or out of fold, as the metrics say."""
    answers = sources.answers
    where = "test photos" if sources.on_query else "training photos, each by heads that had not seen it,"
    if not answers:
        told = "Nothing could be measured: there are no test photos, and one photo per class leaves none to hold out."
        return Verdict(f"It knows {counted(len(classes), 'class').replace('classs', 'classes')}.", told, [])
    right = Share(sum(photo.right for photo in answers), len(answers))
    good = (
        f"It tells {len(classes)} classes apart: {percent(right.share)} of {right.n:,} {where} are answered rightly "
        f"(95 % interval: {percent(right.low)} to {percent(right.high)})."
    )
    return Verdict(good, _not_yet(classes), _figures(sources, right))


def _not_yet(classes: Sequence[ClassFigures]) -> str:
    poor = [row for row in classes if row.found.n and row.found.share < _POOR]
    few = [row.found.n for row in classes if row.found.n]
    if poor:
        named = "; ".join(
            f"{row.words} ({row.found.count} of {row.found.n} found"
            + (f", mostly taken for {row.taken_for[0][0]}" if row.taken_for else "")
            + ")"
            for row in poor[:_NAMED]
        )
        more = f"; and {len(poor) - _NAMED} more" if len(poor) > _NAMED else ""
        return f"Not yet to be relied on for {named}{more}."
    least = min(few, default=0)
    return (
        f"No class stands out as weak, but some have only {counted(least, 'photo')} here: a class that fails one time in "
        f"{max(2, round(least / 3) or 2)} could have looked as good."
        if least < 30
        else "No class stands out as weak."
    )


def _figures(sources: Sources, right: Share) -> list[Figure]:
    answers = sources.answers
    answered = [photo for photo in answers if not photo.abstained]
    of_answered = Share(sum(photo.right for photo in answered), len(answered))
    covered = Share(sum(photo.actual in photo.likely for photo in answers), len(answers))
    several = [len(photo.likely) for photo in answers if len(photo.likely) > 1]
    told = f"; {percent(len(several) / len(answers), 0)} of photos have several" if several else "; one class each"
    figures = [
        Figure(
            "right",
            percent(right.share),
            f"{right.count:,} of {right.n:,}; {percent(right.low)} to {percent(right.high)}",
        ),
        Figure(
            "right, of those answered",
            percent(of_answered.share),
            f"{percent(of_answered.n / len(answers))} are answered, the rest are “unknown”",
        ),
        Figure("class is among the likely", percent(covered.share), f"90 % promised{told}"),
    ]
    zero_shot = sources.metrics["heads"].get("zero_shot")
    if zero_shot is not None:
        gain = right.share - zero_shot["top1"]
        figures.append(
            Figure("over zero-shot", f"{100 * gain:+.1f} points", f"names alone: {percent(zero_shot['top1'])} right")
        )
    return figures


def head_rows(sources: Sources) -> list[HeadRow]:
    """Every head on the same photos, the best first."""
    shipped = sources.metrics["shipped"]["head"]
    actual, ours = sources.by_head.get("actual", []), sources.by_head.get(shipped, [])
    rows = []
    for name, answers in sources.by_head.items():
        if name in ("path", "actual"):
            continue
        asked = [
            (answer == label, other == label)
            for answer, label, other in zip(answers, actual, ours, strict=True)
            if answer
        ]
        pairs = Counter(asked)
        figures = sources.metrics["heads"].get(name, {})
        rows.append(
            HeadRow(
                name=head_words(name),
                shipped=name == shipped,
                right=Share(sum(right for right, _ in asked), len(asked)),
                nll=figures.get("nll"),
                ece=figures.get("ece"),
                against=None if name == shipped else mcnemar(pairs[True, False], pairs[False, True]),
            )
        )
    return sorted(rows, key=lambda row: -row.right.share if row.right.n else 0.0)
