"""The state of a workspace as text: one screen of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from components.live.standing import Behind, Filed, InboxStanding, LiveStanding, Standing
from components.live.watchers import Watcher
from components.wording import counted, printable, sized

__all__ = ["explain_standing"]

_COLUMNS = 80
_LABEL = 10
_MOST_NAMED = 4
_BUSY_S = 30.0


def explain_standing(standing: Standing) -> str:
    """The state as text, one label per line, no line over 80 columns."""
    lines = [
        *_told("workspace", [f"{standing.workspace}  ({standing.identity[:8]})"]),
        *_told("live", _live(standing.live)),
        *_told("training", _training(standing)),
        *_told("waits", _waits(standing)),
    ]
    for inbox in standing.inboxes:
        lines += _told("inbox", _inbox(inbox))
    if not standing.inboxes:
        lines += _told("inbox", ["nobody watches one (shotline watch INBOX)"])
    return "\n".join(lines + _told("behind", _behind(standing.behind)))


def _told(label: str, things: Sequence[str]) -> list[str]:
    lines = []
    for thing in things:
        # A path is not wrapped, so that it can be copied.
        lines += textwrap.wrap(
            thing, _COLUMNS - _LABEL, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    return [f"{label if not number else '':<{_LABEL}}{line}" for number, line in enumerate(lines)]


def _live(live: LiveStanding | None) -> list[str]:
    if live is None:
        return ["nothing yet (shotline train PHOTOS)"]
    added = f" and {live.added} added" if live.added else ""
    since = datetime.fromisoformat(live.since).astimezone(UTC)
    lines = [
        f"{live.version}  {live.trained} trained{added} classes, head {live.head}",
        f"since {since:%Y-%m-%d %H:%M} UTC",
    ]
    if live.top1 is None:
        lines[1] += "; not measured since its last change (shotline train does)"
    else:
        photos = "query photos" if live.evidence == "query" else "photos, each left out in turn"
        lines[1] += f"; {live.top1:.1%} right of {live.measured:,} {photos}"
    return lines


def _training(standing: Standing) -> list[str]:
    if standing.training in ("starting", "running"):
        return ["at work" + (f", in the stage {standing.stage}" if standing.stage else "")]
    return [f"the last one {standing.training} (shotline train)"] if standing.training in ("failed", "stopped") else []


def _waits(standing: Standing) -> list[str]:
    lines = []
    if waiting := standing.to_consolidate:
        photos = counted(sum(waiting.values()), "photo")
        lines.append(f"{photos} of {_named(list(waiting))} for shotline consolidate")
    if standing.pool:
        lines.append(
            f"{counted(standing.pool, 'photo')} in the pool, {standing.to_review:,} to review (shotline review)"
        )
    return lines or ["nothing in the workspace"]


def _inbox(inbox: InboxStanding) -> list[str]:
    lines = [printable(inbox.path)]
    if inbox.trouble:
        lines.append(f"cannot be read: {inbox.trouble}")
    else:
        where = f" in {inbox.classes} classes' folders" if inbox.classes > 1 else ""
        waiting = f"{counted(inbox.photos, 'photo')} wait{'s' if inbox.photos == 1 else ''}{where}"
        lines.append(waiting if inbox.photos else "nothing waits")
    if inbox.done.files or inbox.rejected.files:
        lines.append(f".done {_size(inbox.done)}, .rejected {_size(inbox.rejected)} (shotline purge --inbox)")
    at_work = [watcher for watcher in inbox.watchers if watcher.running]
    lines += [_watcher(watcher) for watcher in at_work]
    if not at_work:
        ended = min((watcher.silent_s for watcher in inbox.watchers), default=None)
        lines.append("nobody watches it" + ("" if ended is None else f", since {_age(ended)} ago"))
    return lines


def _watcher(watcher: Watcher) -> str:
    does = {"takes": "watches", "announces": "announces", "serves": "takes what is announced"}[watcher.duty]
    beat = ""
    if watcher.duty != "serves":
        beat = f", last look {_age(watcher.silent_s)} ago"
        beat += " (at work on an arrival, or stuck)" if watcher.silent_s > _BUSY_S else ""
    return f"process {watcher.process} {does} since {watcher.since[:16].replace('T', ' ')} UTC{beat}"


def _behind(behind: Behind) -> list[str]:
    lines = []
    if behind.unpublished:
        lines.append(f"models/bundle is {behind.unpublished}, not what is live (shotline publish)")
    if behind.stage_versions:
        stages = [told.partition(":")[0] for told in behind.stage_versions]
        lines.append(f"stages of another Shotline: {_named(stages, most=8)} (shotline upgrade)")
    if behind.stages:
        lines.append(f"stages that would run anew: {_named(behind.stages, most=8)} (shotline train)")
    if behind.untracked:
        lines.append(f"DVC is not told of {_named(behind.untracked)} (shotline train, or dvc add)")
    if behind.dvc:
        lines.append(f"DVC was not asked: {behind.dvc}")
    if behind.feast:
        lines.append(f"Feast's online store: {behind.feast}")
    return lines or ["nothing: DVC, Feast and stages follow what is live"]


def _named(names: Sequence[str], most: int = _MOST_NAMED) -> str:
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


def _size(filed: Filed) -> str:
    return f"{counted(filed.files, 'file')} of {sized(filed.size_bytes)}" if filed.files else "empty"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
