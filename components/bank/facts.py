"""What a saved bank says of its classes in JSON, read without loading their columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserInputError

__all__ = ["BANK_FACTS", "BANK_REMEDY", "BANK_VERSION", "BankFacts", "BankedClass", "banked_classes"]

BANK_VERSION = 1
BANK_FACTS = "bank.json"
BANK_REMEDY = "run `shotline train`, which derives it from the ledger anew"


@dataclass(frozen=True)
class BankedClass:
    """What is known of an added class beside its column.

    Attributes:
        name: what it is called.
        photos: SHA-256 of its photos, in the order of their rows.
        since: when its first photo came, ISO 8601.
        form: that made its column.
        name_means_something: its name took part; if not, the photos alone made its column.
        recall: share of its left-out photos answered rightly, 0 to 1; None with one photo.
        explanation: for people; see `components.liteembed.Explanation`.
    """

    name: str
    photos: tuple[str, ...]
    since: str
    form: str
    name_means_something: bool
    recall: float | None
    explanation: dict[str, Any]


@dataclass(frozen=True)
class BankFacts:
    """Which classes a bank adds.

    Attributes:
        classes: the added ones, in the order of their columns.
    """

    classes: tuple[BankedClass, ...]

    @classmethod
    def read(cls, folder: Path) -> BankFacts:
        """What the bank in `folder` says; the tensors beside it are not looked at.

        Raises:
            UserInputError: there is none, or it cannot be read.
        """
        try:
            facts = json.loads((folder / BANK_FACTS).read_text(encoding="utf-8"))
            if facts["version"] != BANK_VERSION:
                raise ValueError("another version")
            return cls(banked_classes(facts))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserInputError(f"the bank cannot be read: {error}", on=str(folder), remedy=BANK_REMEDY) from error


def banked_classes(facts: dict[str, Any]) -> tuple[BankedClass, ...]:
    """The added classes of a bank's facts."""
    return tuple(BankedClass(**{**each, "photos": tuple(each["photos"])}) for each in facts["classes"])
