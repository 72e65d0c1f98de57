"""How figures are told to people."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, thing: str) -> str:
    """`1 photo`, `2 photos`, `1,000 photos`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
