from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.backbone import Backbone, load_backbone
from components.errors import UserInputError
from components.liteembed import (
    KnownClasses,
    LiteEmbedSettings,
    NewClasses,
    TokenSettings,
    Vocabulary,
    add_classes,
    make_forms,
)
from components.liteembed.token import Token

MODELS = Path(__file__).resolve().parents[3] / "models"
TEMPLATE = "a photo of a {}"
KNOWN = ("dog", "cat", "horse", "apple", "orange")
NEW = ("wolf", "lemon")


@pytest.fixture(scope="module")
def embedded() -> Backbone:
    return load_backbone("embedded", models=MODELS, precision="fp32")


@pytest.fixture(scope="module")
def words(embedded: Backbone) -> Vocabulary:
    names = tuple(dict.fromkeys((*embedded.words()[:120], *KNOWN, *NEW, "fox", "bear", "lime", "peach")))
    return Vocabulary(names, embedded.encode_texts([TEMPLATE.format(name) for name in names]), TEMPLATE, "starter")


@pytest.fixture(scope="module")
def arrival(embedded: Backbone) -> tuple[KnownClasses, NewClasses]:
    """Photos drawn about their classes' texts, the new ones somewhat aside of theirs."""
    text = embedded.encode_texts([TEMPLATE.format(name) for name in KNOWN + NEW])
    random = torch.Generator().manual_seed(1)

    def photos(centres: Tensor, each: int) -> Tensor:
        rows = centres.repeat_interleave(each, 0)
        return normalize(rows + 0.6 * torch.randn(rows.shape, generator=random) / rows.shape[1] ** 0.5, dim=1)

    aside = normalize(text[5:] + 0.6 * embedded.encode_texts(["a photo of a fox", "a photo of a lime"]), dim=1)
    x, new_x, scale = photos(text[:5], 4), photos(aside, 4), embedded.logit_scale
    logits = scale * x @ text[:5].T
    known = KnownClasses.of_head(
        KNOWN,
        x,
        torch.arange(5).repeat_interleave(4),
        out_of_fold=logits,
        seen=logits,
        temperature=1.0,
        logit_scale=scale,
        text_embeddings=text[:5],
    )
    return known, NewClasses(NEW, new_x, torch.arange(2).repeat_interleave(4), scale * new_x @ text[:5].T, text[5:])


def fitted(embedded: Backbone, words: Vocabulary, arrival: Any, **settings: Any) -> Tensor:
    token = Token(TokenSettings(steps=40, **settings), embedded.free_token_prompt(TEMPLATE), words)
    return token.optimised(*arrival)


def test_it_moves_to_the_photos_within_what_the_text_tower_can_say(
    embedded: Backbone, words: Vocabulary, arrival: Any
) -> None:
    _, new = arrival

    text = fitted(embedded, words, arrival, coarse_weight=0.0, fine_weight=0.0)

    def fit(rows: Tensor) -> Tensor:
        return (rows[new.labels] * new.embeddings).sum(1)

    assert torch.allclose(text.norm(dim=1), torch.ones(2), atol=1e-5)
    assert (fit(text) > fit(new.text_embeddings)).all()
    assert not text.requires_grad


def test_the_coarse_part_pulls_and_the_fine_part_pushes(embedded: Backbone, words: Vocabulary, arrival: Any) -> None:
    known, _ = arrival
    rest = words.axes.directions[4:]

    def fine_likeness(text: Tensor) -> float:
        mine = normalize((text - words.mean) @ rest.T, dim=1)
        theirs = normalize((known.text_embeddings - words.mean) @ rest.T, dim=1)
        return float((mine @ theirs.T).mean())

    pushed = fitted(embedded, words, arrival, coarse_weight=0.0, fine_weight=2.0)
    free = fitted(embedded, words, arrival, coarse_weight=0.0, fine_weight=0.0)

    assert fine_likeness(pushed) < fine_likeness(free) - 0.02
    pulled = fitted(embedded, words, arrival, coarse_weight=5.0, fine_weight=0.0)
    assert not torch.allclose(pulled, free, atol=1e-3)


def test_classes_do_not_see_each_other(embedded: Backbone, words: Vocabulary, arrival: Any) -> None:
    known, new = arrival

    together = fitted(embedded, words, arrival)
    alone = fitted(embedded, words, (known, new.classes([1])))

    assert torch.allclose(together[1], alone[0], atol=1e-4)


def test_it_takes_part_where_it_is_asked_for(
    embedded: Backbone, words: Vocabulary, arrival: Any, drawn: Callable[..., Any]
) -> None:
    settings = LiteEmbedSettings(forms=("token", "name"), folds=2, name_gate=-9.0, token=TokenSettings(steps=10))

    addition = add_classes(*arrival, settings, vocabulary=words, prompt=embedded.free_token_prompt(TEMPLATE))

    assert set(addition.evidence) == {"token", "name"}
    with pytest.raises(UserInputError, match="needs a text tower"):
        make_forms("token", settings, words, None)
