"""The classes of a bundle and its bank as people and programs are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.bank import Bank, BankFacts
    from components.classifier import Bundle, BundleFacts

__all__ = ["class_rows"]


def class_rows(bundle: Bundle | BundleFacts, bank: Bank | BankFacts) -> list[dict[str, Any]]:
    """One per class, trained ones first: `class`, `kind` (`trained`, `added`), `since` (ISO 8601 or None), `photos`."""
    trained = [
        {"class": name, "kind": "trained", "since": None, "photos": len(bundle.split[name])}
        for name in bundle.class_names
    ]
    added = [
        {"class": each.name, "kind": "added", "since": each.since, "photos": len(each.photos)} for each in bank.classes
    ]
    return trained + added
