"""How pages of ours look: colours, type and spacing, in one style sheet that the service's page and reports share.

Out: `LOOK`, the path of `look.css`, and `look_css()`, its text for pages that must stand alone in one file. It fetches
nothing. Its first block names the design's tokens (`--ink`, `--accent`, `--space`, ...); after them come plain elements
and a few classes that every page has: `.card`, `.tag`, `.bar`, `.photos`, `.quiet`, `.scroll`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["LOOK", "look_css"]

LOOK = Path(__file__).with_name("look.css")


def look_css() -> str:
    """The style sheet's text."""
    return LOOK.read_text(encoding="utf-8")
