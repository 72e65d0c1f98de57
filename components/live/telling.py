"""Writes the outcome of arrivals: in words for people, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.bank import BankedClass
from components.live.outcome import Outcome, Taken
from components.wording import counted, printable

__all__ = ["explain_outcome", "explain_taken", "outcome_json", "shown_path", "taken_json"]

_MOST_TOLD = 3


def explain_outcome(outcome: Outcome) -> str:
    """The outcome for people, several lines."""
    change = outcome.change
    lines = []
    for name in change.waiting:
        lines.append(
            f"{name}: a trained class; its photos wait for consolidation (shotline remove-class takes them back)"
        )
        misfits = [(each.photo, each.taken_for) for each in outcome.misfits if each.class_name == name]
        lines += _told_of_misfits(outcome, misfits)
    for each in outcome.added:
        lines += _told_of_class(outcome, each)
    lines += _told_of_twins(outcome)
    if outcome.words is not None:
        lines.append(
            "names were judged by the starter vocabulary; the whole one is being built "
            f"({outcome.words[0]:,} of {outcome.words[1]:,} words; shotline vocabulary)"
        )
    if change.version == change.before:
        lines.append(f"live: {change.version.name}, as before")
        return "\n".join(lines)
    if change.verdict is not None:
        lines.append(change.verdict.told)
        lines += [f"forced although {reason}" for reason in change.verdict.refusals]
    lines.append(f"live: {change.version.name} (back: shotline rollback {change.before.name})")
    return "\n".join(lines)


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """For scripts."""
    verdict = outcome.change.verdict
    return {
        "version": outcome.change.version.name,
        "before": outcome.change.before.name,
        "base_drop": None if verdict is None else verdict.base_drop,
        "known_photos": None if verdict is None else asdict(verdict.change),
        "overruled": [] if verdict is None else list(verdict.refusals),
        "waiting": list(outcome.change.waiting),
        "misfits": [
            {"class": each.class_name, "path": outcome.called(each.photo), "taken_for": each.taken_for}
            for each in outcome.misfits
        ],
        "near_duplicates": [
            {"path": outcome.called(photo), "of": outcome.twin_called(twin), "class": twin.class_name or None}
            for photo, twin in outcome.twins.items()
        ],
        "refused_photos": [{"path": error.on, "reason": error.reason} for error in outcome.refused],
        "classes": [
            {
                "class": each.name,
                "photos": len(each.photos),
                "form": each.form,
                "name_means_something": each.name_means_something,
                "recall": each.recall,
                **each.explanation,
            }
            for each in outcome.added
        ],
    }


def explain_taken(taken: Taken) -> str:
    """For people, several lines."""
    lines = [explain_outcome(outcome) for outcome in taken.outcomes]
    refusals = {**taken.refused, **taken.refused_photos}
    lines += [f"not taken: {name}: {error.what}; {error.remedy}" for name, error in refusals.items()]
    lines += [
        f"left for now: {shown_path(found.path)}: {error.what}; it is judged again when it changes, or has not for a while"
        for found, error in taken.unfinished.items()
    ]
    for (folder, reason), names in _by_folder(taken.stuck).items():
        lines.append(
            f"processed, but not moved out of {printable(folder)} ({reason}): {', '.join(names)}; remembered, so not taken "
            "again unless changed"
        )
    lines += [f"{name}: {folder}" for name, folder in taken.folders.items()]
    return "\n".join(lines)


def taken_json(taken: Taken) -> dict[str, Any]:
    """For scripts."""
    return {
        "outcomes": [outcome_json(outcome) for outcome in taken.outcomes],
        "refused": {name: error.what for name, error in {**taken.refused, **taken.refused_photos}.items()},
        "unfinished": {shown_path(found.path): error.what for found, error in taken.unfinished.items()},
        "failed": {printable(name): str(error) for name, error in taken.failed.items()},
        "stuck": {shown_path(path): reason for path, reason in taken.stuck.items()},
        "folders": {name: str(folder) for name, folder in taken.folders.items()},
    }


def shown_path(path: Path) -> str:
    """A file of an inbox as people see it: its class's folder and its name."""
    return printable(f"{path.parent.name}/{path.name}")


def _told_of_class(outcome: Outcome, added: BankedClass) -> list[str]:
    told = added.explanation
    lines = [f"{added.name}: {counted(len(added.photos), 'photo')}, by the form {added.form}"]
    if added.recall is not None:
        right = round(added.recall * len(added.photos))
        lines.append(f"  {added.recall:.0%} of its photos ({right} of {len(added.photos)}) are found when left out")
    if not added.name_means_something:
        lines.append("  its name says nothing of its photos, so they speak alone")
    if told["words"]:
        lines.append(f"  sits among the words {', '.join(told['words'])}")
    if told["neighbours"]:
        near = ", ".join(
            f"{other['name']} (on photos of it this class gets {other['after']:.0%}, at the start "
            f"{other['before']:.0%})"
            for other in told["neighbours"][:3]
        )
        lines.append(f"  most like {near}")
    return lines + _told_of_misfits(
        outcome, [(added.photos[misfit["photo"]], misfit["taken_for"]) for misfit in told["misfits"]]
    )


def _told_of_misfits(outcome: Outcome, misfits: Sequence[tuple[str, str]]) -> list[str]:
    lines = [
        f"  fits least: {outcome.called(photo)}, taken for {taken_for}; is its label right?"
        for photo, taken_for in misfits[:_MOST_TOLD]
    ]
    return lines + _more(misfits, "of its photos are taken for another class")


def _told_of_twins(outcome: Outcome) -> list[str]:
    lines = []
    for photo, twin in list(outcome.twins.items())[:_MOST_TOLD]:
        whose = f", a photo of {twin.class_name}" if twin.class_name else ""
        lines.append(f"nearly the same picture: {outcome.called(photo)} and {outcome.twin_called(twin)}{whose}")
    return lines + _more([*outcome.twins], "photos nearly equal another")


def _more(things: Sequence[object], what: str) -> list[str]:
    left = len(things) - _MOST_TOLD
    return [f"  and {left} more {what}"] if left > 0 else []


def _by_folder(stuck: Mapping[Path, str]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for path, reason in stuck.items():
        found.setdefault((path.parent.name, reason), []).append(printable(path.name))
    return found
