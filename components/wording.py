"""How figures and names are told to people."""

from __future__ import annotations

import os

__all__ = ["counted", "printable"]


def counted(number: int, thing: str) -> str:
    """`1 photo`, `2 photos`, `1,000 photos`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def printable(name: str) -> str:
    """A file's name as it can be printed and stored: bytes that are no UTF-8 are replaced."""
    return os.fsencode(name).decode(errors="replace")
