"""Keeps the arrivals out of git: DVC tracks them, and it refuses files that git has already."""

from __future__ import annotations

from pathlib import Path

from components.files import write_text

__all__ = ["keep_out_of_git"]

_KEPT_BY_DVC = ("/photos", "/ledger.jsonl")


def keep_out_of_git(folder: Path) -> None:
    """Have git ignore the photos and the ledger of the arrivals, from the first arrival on.

    DVC ignores them too, but only once it tracks them, and `git add --all` may come first.

    Args:
        folder: the arrivals; lines that are in its `.gitignore` already stay as they are.
    """
    path = folder / ".gitignore"
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = there.splitlines()
    if missing := [line for line in _KEPT_BY_DVC if line not in lines]:
        write_text(path, "\n".join([*lines, *missing, ""]))
