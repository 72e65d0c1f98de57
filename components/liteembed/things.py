"""Ordinary words for things that can be photographed: shown to people, and used as the first vocabulary."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["names_of_things"]


@cache
def names_of_things() -> tuple[str, ...]:
    """About 1,100 single words: objects, animals, plants, food, materials, colours, flaws; the commonest things first.

    Most are class names of ImageNet, LVIS, OpenImages and Objects365 that CLIP's tokenizer has a token of its own for;
    the rest, from `scratch` on, are ours, for what those sets leave out. A tokenizer's own table holds endings such as
    `ation` too, which read like words and are none.
    """
    return tuple(Path(__file__).with_name("things.txt").read_text(encoding="utf-8").split())
