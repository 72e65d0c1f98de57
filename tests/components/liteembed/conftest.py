"""Drawn arrivals: class centres, photos about them, words near the centres, and a zero-shot classifier of the known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.liteembed import KnownClasses, NewClasses, Vocabulary

D = 32
SCALE = 30.0


@dataclass(frozen=True)
class Drawn:
    """Known and new classes, and further photos of both that nothing was fitted on."""

    known: KnownClasses
    new: NewClasses
    text: Tensor
    query: tuple[Tensor, Tensor]
    new_query: tuple[Tensor, Tensor]

    def known_logits(self, rows: Tensor) -> Tensor:
        return SCALE * rows @ self.text.T


def draw_task(
    n_known: int = 6,
    n_new: int = 3,
    shots: int = 4,
    *,
    known_shots: int = 6,
    noise: float = 0.7,
    word_noise: float = 0.5,
    words: bool = True,
    seed: int = 0,
) -> Drawn:
    """`word_noise` is how far a name lies from where its photos are."""
    random = torch.Generator().manual_seed(seed)
    centres = normalize(torch.randn(n_known + n_new, D, generator=random), dim=1)
    text = normalize(centres + word_noise * torch.randn(n_known + n_new, D, generator=random) / D**0.5, dim=1)

    def photos(classes: Tensor, each: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(len(classes)).repeat_interleave(each)
        scatter = noise * torch.randn(len(labels), D, generator=random) / D**0.5
        return normalize(centres[classes][labels] + scatter, dim=1), labels

    first, second = torch.arange(n_known), torch.arange(n_known, n_known + n_new)
    x, y = photos(first, known_shots)
    new_x, new_y = photos(second, shots)
    known_text = text[:n_known]
    logits = SCALE * x @ known_text.T
    known = KnownClasses.of_head(
        tuple(f"known {label}" for label in range(n_known)),
        x,
        y,
        out_of_fold=logits,
        seen=logits,
        temperature=1.0,
        logit_scale=SCALE,
        text_embeddings=known_text if words else None,
    )
    new = NewClasses(
        tuple(f"new {label}" for label in range(n_new)),
        new_x,
        new_y,
        SCALE * new_x @ known_text.T,
        text[n_known:] if words else None,
    )
    return Drawn(known, new, known_text, photos(first, 30), photos(second, 30))


@pytest.fixture
def drawn() -> Callable[..., Drawn]:
    return draw_task


@pytest.fixture
def vocabulary() -> Vocabulary:
    random = torch.Generator().manual_seed(5)
    rows = normalize(torch.randn(200, D, generator=random) * torch.linspace(2, 0.2, D), dim=1)
    return Vocabulary(tuple(f"word{number}" for number in range(200)), rows, "a {}", "starter")
