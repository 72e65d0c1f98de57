"""How figures and names are written for people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

__all__ = ["counted", "joined_names", "printable", "sized", "split_names"]


def counted(number: int, thing: str) -> str:
    """`1 photo`, `2 photos`, `1,000 photos`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def sized(n_bytes: int) -> str:
    """`812 bytes`, `1.2 kB`, `3.4 MB`, `5.6 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return counted(n_bytes, "byte")


def printable(name: str) -> str:
    """A file's name as it can be printed and stored: bytes that are no UTF-8 are replaced."""
    return os.fsencode(name).decode(errors="replace")


def joined_names(names: Iterable[str]) -> str:
    """Names in one cell of a table, with `|` between them; `split_names` gives them back."""
    return "|".join(re.sub(r"([\\\\|])", r"\\\1", name) for name in names)


def split_names(text: str) -> tuple[str, ...]:
    """What `joined_names` joined; no name is empty."""
    return tuple(re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"(?:\\.|[^|\\])+", text))
