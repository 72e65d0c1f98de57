"""Valid names of classes: people read them, a text encoder encodes them, and consolidation makes folders of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from components.errors import UserInputError

__all__ = ["MOST_LETTERS", "class_name", "spelling"]

MOST_LETTERS = 100
_ABSTAINED = "unknown"
_REMEDY = f"call it by words, at most {MOST_LETTERS} letters, without slashes"


def class_name(text: str, known: Collection[str] = ()) -> str:
    """The name as it is kept: in Unicode's composed form, single spaces, none at the ends.

    An existing class keeps its name, whatever letters it has: a list of photos may name one `TV/monitor`. A new class
    may then have the same letters, since its photos go into that list too. Otherwise only letters that a folder's name
    can have are allowed.

    Args:
        text: what somebody calls it.
        known: names of the classes that are there.

    Raises:
        UserInputError: there is no name, or no folder could have it on every system.
    """
    composed = unicodedata.normalize("NFC", text)
    name = " ".join(composed.split())
    if existing := [each for each in (composed, name) if each in known]:
        return existing[0]
    if not any(letter.isalnum() or unicodedata.category(letter) == "So" for letter in name):
        raise UserInputError("the class has no name", on=repr(text[:50]), remedy=_REMEDY)
    if spelling(name) == _ABSTAINED:
        raise UserInputError(
            f'"{_ABSTAINED}" is the answer for a photo of none of the classes',
            on=name,
            remedy="choose another name",
        )
    if len(name) > MOST_LETTERS:
        raise UserInputError(f"the name has {len(name)} letters", on=f"{name[:50]}...", remedy=_REMEDY)
    refused = set('/\\:*?"<>|') - set("".join(known))
    wrong = [letter for letter in name if letter in refused or not letter.isprintable()]
    if wrong or name.startswith(".") or name.endswith("."):
        raise UserInputError(
            f"the name holds {wrong[0]!r}" if wrong else "the name begins or ends with a dot", on=name, remedy=_REMEDY
        )
    return name


def spelling(name: str) -> str:
    """A form that is equal for names that people would take for the same: without case and separators of words.

    >>> spelling("Rolled-in Scale"), spelling("PCBCrack"), spelling("pcb_crack"), spelling("v2.0")
    ('rolledinscale', 'pcbcrack', 'pcbcrack', 'v2 0')
    """
    text = re.sub(r"[\s_.-]+", " ", unicodedata.normalize("NFC", name)).casefold().strip()
    return re.sub(r"(?<!\d) | (?!\d)", "", text)  # a separator between two digits is part of the number
