"""Lists the live classes, and how two versions differ, from the versions' facts without loading a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.bank.class_rows import class_rows

if TYPE_CHECKING:
    from pathlib import Path

    from components.bank import BankFacts
    from components.live.versions import Version, Versions

__all__ = ["differences", "live_class_rows", "version_row", "version_rows"]


def live_class_rows(versions: Versions, ledger: Path) -> list[dict[str, Any]]:
    """Rows as `class_rows` gives them, of what is live, each with `waiting`: photos that wait for consolidation.

    No model is loaded.

    Args:
        versions: the workspace's.
        ledger: its ledger.

    Raises:
        UserInputError: nothing is live yet.
    """
    from components.bank import Ledger, states

    bundle, bank = versions.facts(versions.in_use())
    waiting = states(Ledger(ledger).entries(), frozenset(bundle.class_names))[-1].waiting
    return [{**row, "waiting": len(waiting.get(row["class"], ()))} for row in class_rows(bundle, bank)]


def differences(versions: Versions, before: Version, after: Version) -> list[dict[str, Any]]:
    """How the classes of two versions differ, one object per class; no model is loaded.

    Returns:
        `change` and `class`: `renamed` (with `new_name`), `removed`, `added` (with `kind`, `photos`), `changed` (with
        `kind`, `photos` and, as they were, `kind_before`, `photos_before`).
    """
    facts = [versions.facts(each) for each in (before, after)]
    rows = [{row["class"]: row for row in class_rows(*each)} for each in facts]
    renamed = _renamed(*(bank for _, bank in facts))
    found: list[dict[str, Any]] = [{"change": "renamed", "class": old, "new_name": new} for old, new in renamed.items()]
    for name in dict.fromkeys([*rows[0], *rows[1]]):
        was, now = rows[0].get(name), rows[1].get(name)
        if (now is None and name in renamed) or (was is None and name in renamed.values()):
            continue
        if now is None:
            found.append({"change": "removed", "class": name})
            continue
        facts_now = {"class": name, "kind": now["kind"], "photos": now["photos"]}
        if was is None:
            found.append({"change": "added", **facts_now})
        elif (was["kind"], was["photos"]) != (now["kind"], now["photos"]):
            found.append({"change": "changed", **facts_now, "kind_before": was["kind"], "photos_before": was["photos"]})
    return found


def version_row(version: Version, current: Version) -> dict[str, Any]:
    """A version for `versions --json`: `version`, `in_use`, `bundle`, `made` (ISO 8601), `added` (class names)."""
    facts = {"version": version.name, "in_use": version == current, "bundle": version.bundle}
    return {**facts, "made": version.made, "added": list(version.classes)}


def version_rows(versions: Versions, most: int) -> list[dict[str, Any]]:
    """The last `most` versions, oldest first: `version_row`, and `changes`, the differences from the version before.

    `changes` is the result of `differences`, after `{"change": "bundle"}` if another classifier was trained; it is
    empty for the first version.

    Raises:
        UserInputError: nothing is live yet.
    """
    current = versions.in_use()
    known = versions.all()[-most - 1 :]
    rows = []
    for place, version in enumerate(known):
        changes: list[dict[str, Any]] = []
        if place:
            before = known[place - 1]
            changes = [{"change": "bundle"}] if before.bundle != version.bundle else []
            changes += differences(versions, before, version)
        rows.append({**version_row(version, current), "changes": changes})
    return rows[-most:]


def _renamed(before: BankFacts, after: BankFacts) -> dict[str, str]:
    """Old and new names of renamed classes; a rename keeps the photos and their times."""
    earlier = {(each.since, each.photos): each.name for each in before.classes}
    pairs = [(earlier.get((each.since, each.photos)), each.name) for each in after.classes]
    return {old: new for old, new in pairs if old is not None and old != new}
