"""What a class may be called: it is shown to people, told to a text encoder, and one day a folder's name."""

from __future__ import annotations

import unicodedata

from components.errors import UserInputError

__all__ = ["MOST_LETTERS", "class_name"]

MOST_LETTERS = 100
_REMEDY = f"call it by words, at most {MOST_LETTERS} letters, without slashes"


def class_name(text: str) -> str:
    """The name as it is kept: in Unicode's composed form, single spaces, none at the ends.

    Raises:
        UserInputError: no name, or none that could be a folder's on every system.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not any(letter.isalnum() or unicodedata.category(letter) == "So" for letter in name):
        raise UserInputError("the class has no name", on=repr(text[:50]), remedy=_REMEDY)
    if len(name) > MOST_LETTERS:
        raise UserInputError(f"the name has {len(name)} letters", on=f"{name[:50]}...", remedy=_REMEDY)
    wrong = [letter for letter in name if letter in '/\\:*?"<>|' or not letter.isprintable()]
    if wrong or name.startswith(".") or name.endswith("."):
        raise UserInputError(
            f"the name holds {wrong[0]!r}" if wrong else "the name begins or ends with a dot", on=name, remedy=_REMEDY
        )
    return name
