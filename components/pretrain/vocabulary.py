"""The texts that the text tower learns, and the names of the lexicon with their vectors in a real CLIP's text space."""

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from components.errors import UserInputError

__all__ = ["TEMPLATES", "Lexicon", "phrases", "read_lexicon", "whole_words"]

# (before the name, after it, which of the lexicon's two templates its vectors resemble)
TEMPLATES: tuple[tuple[str, str, str], ...] = (
    ("a photo of a ", "", "a photo of a"),
    ("a ", "", "a"),
    ("", "", "a"),
    ("a photo of the ", "", "a photo of a"),
    ("a photo of an ", "", "a photo of a"),
    ("a photo of ", "", "a photo of a"),
    ("a photo of a ", ".", "a photo of a"),
    ("a picture of a ", "", "a photo of a"),
    ("an image of a ", "", "a photo of a"),
    ("a close-up photo of a ", "", "a photo of a"),
    ("a blurry photo of a ", "", "a photo of a"),
    ("a bad photo of a ", "", "a photo of a"),
    ("a cropped photo of the ", ".", "a photo of a"),
    ("itap of a ", ".", "a photo of a"),
    ("an ", "", "a"),
    ("the ", "", "a"),
)


@dataclass(frozen=True)
class Lexicon:
    """Names with their vectors in a real CLIP's text space.

    Attributes:
        names: distinct, lower case.
        cores: `(names, embed_dim)`: the mean of a name's vectors, each without the mean of its template.
        template_means: mean vector of each of the two templates, `(embed_dim,)`.
        entries: every row of the file as (name, template, index into `names`).
        vectors: the file's rows, `(entries, embed_dim)`, unit length.
    """

    names: tuple[str, ...]
    cores: Tensor
    template_means: dict[str, Tensor]
    entries: tuple[tuple[str, str, int], ...]
    vectors: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean of all vectors, `(embed_dim,)`."""
        return self.vectors.mean(dim=0)


def read_lexicon(path: Path) -> Lexicon:
    """Read `text_lexicon.npz`: arrays `name`, `vec` (unit length) and `template`."""
    if not path.exists():
        raise UserInputError("the lexicon is missing", on=str(path), remedy="give the path of text_lexicon.npz")
    with np.load(path) as content:
        names = [str(name) for name in content["name"]]
        templates = [str(template) for template in content["template"]]
        vectors = F.normalize(torch.from_numpy(content["vec"].astype(np.float32)), dim=1)
    means = {
        template: vectors[torch.tensor([other == template for other in templates])].mean(dim=0)
        for template in sorted(set(templates))
    }
    centred = vectors - torch.stack([means[template] for template in templates])
    distinct = sorted(set(names))
    position = {name: index for index, name in enumerate(distinct)}
    owner = torch.tensor([position[name] for name in names])
    sums = torch.zeros(len(distinct), vectors.shape[1]).index_add_(0, owner, centred)
    cores = sums / torch.bincount(owner, minlength=len(distinct))[:, None]
    entries = tuple((name, template, position[name]) for name, template in zip(names, templates, strict=True))
    return Lexicon(tuple(distinct), cores, means, entries, vectors)


def whole_words(encoder: dict[str, int], shortest: int = 3) -> list[str]:
    """The words that CLIP's tokenizer has a token of its own for: letters only, from `shortest` letters on."""
    words = (token.removesuffix("</w>") for token in encoder if token.endswith("</w>"))
    return sorted(word for word in words if len(word) >= shortest and word.isascii() and word.isalpha())


def phrases(names: list[str], words: list[str], count: int, seed: int) -> list[str]:
    """`count` distinct phrases: adjective and noun, part of a thing, thing in a place, two things, two words.

    Args:
        names: names of things.
        words: any words; they appear where a name may, a third of the time.
        count: how many.
        seed: the same phrases for the same seed.
    """
    draw = random.Random(seed)
    lists = json.loads((Path(__file__).parent / "phrase_words.json").read_text(encoding="utf-8"))

    def one(kind: str) -> str:
        chosen: str = draw.choice(lists[kind])
        return chosen

    def thing() -> str:
        return draw.choice(words) if draw.random() < 0.34 else draw.choice(names)

    forms: tuple[Callable[[], str], ...] = (
        lambda: f"{one('adjectives')} {thing()}",
        lambda: f"{one('adjectives')} {thing()}",
        lambda: f"{one('parts')} of a {thing()}",
        lambda: f"{thing()} {one('parts')}",
        lambda: f"{thing()} {one('places')}",
        lambda: f"{one('adjectives')} {one('adjectives')} {thing()}",
        lambda: f"{thing()} and {thing()}",
        lambda: f"{thing()} {thing()}",
        lambda: f"{draw.choice(words)} {draw.choice(words)}",
    )
    found: dict[str, None] = {}
    for form in itertools.cycle(forms):
        found[form()] = None
        if len(found) >= count:
            break
    return list(found)
