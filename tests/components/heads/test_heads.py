"""What every head promises, whichever it is."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load, save

from components.classifier import CLASSIFIER_HEADS, HEADS, fit_head, head_from_state, usable_heads
from components.errors import UserInputError
from components.features.carriers import Features
from components.heads import HeadState, Support
from components.heads.gda import GDA
from components.heads.pooling import spread
from tests.support import drawn_rows as drawn
from tests.support.drawn_rows import drawn_task

drawn_support = partial(drawn.drawn_support, pool=12)
EVERY_HEAD = pytest.mark.parametrize("name", list(CLASSIFIER_HEADS))


def queries(n_classes: int = 5, d: int = 32, noise: float = 0.6) -> tuple[Features, torch.Tensor]:
    embedding, labels, _ = drawn_task(n_classes, 30, d, noise=noise, word_noise=0.5, seed=0, draw=1)
    random = torch.Generator().manual_seed(1)
    torch.randn(n_classes * 4, d, generator=random)  # the same level maps as the support set's
    maps = tuple(torch.relu(embedding @ torch.randn(d, 12, generator=random)) for _ in range(4))
    return Features(embedding, maps), labels


@EVERY_HEAD
def test_learns_what_can_be_learnt(name: str) -> None:
    features, labels = queries()
    scores = fit_head(name, drawn_support(levels=True)).scores(features)
    assert scores.shape == (150, 5)
    assert scores.dtype == torch.float32
    assert (scores.argmax(1) == labels).float().mean() > 0.85


@pytest.mark.parametrize(
    "shape",
    [
        {"n_classes": 2, "shots": 1, "d": 64},
        {"n_classes": 2, "shots": 2, "d": 64},
        {"n_classes": 7, "shots": [1, 2, 9, 3, 1, 1, 4], "d": 16},
        {"n_classes": 40, "shots": 1, "d": 24},
        {"n_classes": 3, "shots": 40, "d": 8},
        {"n_classes": 4, "shots": 3, "d": 16, "noise": 0.0},
        {"n_classes": 4, "shots": 5, "d": 16, "views": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("name", "words"),
    [(name, True) for name in CLASSIFIER_HEADS]
    + [(name, False) for name in CLASSIFIER_HEADS if not HEADS[name].head.needs_text],
)
def test_any_shape_of_support_set(name: str, shape: dict[str, object], words: bool) -> None:
    support = drawn_support(**shape, words=words, levels=True)  # type: ignore[arg-type]
    assert name in usable_heads(support, CLASSIFIER_HEADS)
    scores = fit_head(name, support).scores(support.features)
    assert scores.shape == (len(support), support.n_classes)
    assert torch.isfinite(scores).all()


@EVERY_HEAD
def test_written_down_and_read_back_scores_the_same_bits(name: str) -> None:
    support = drawn_support(n_classes=4, shots=[2, 9, 8, 14], levels=True)
    head = fit_head(name, support)
    state = head.state()
    back = head_from_state(HeadState(state.name, load(save(state.tensors)), json.loads(json.dumps(state.settings))))
    assert torch.equal(head.scores(support.features), back.scores(support.features))


@EVERY_HEAD
def test_same_input_same_bits(name: str) -> None:
    first, second = (fit_head(name, drawn_support(levels=True)).state() for _ in range(2))
    assert first.settings == second.settings
    assert first.tensors.keys() == second.tensors.keys()
    for key, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[key])
        assert tensor.is_contiguous()


@EVERY_HEAD
def test_relabelled_classes_give_relabelled_scores(name: str) -> None:
    """No head prefers a class for its number. Folds depend on numbers, so what is chosen on them may move a little."""
    support = drawn_support(shots=1, levels=True)
    turn = torch.tensor([3, 0, 4, 1, 2])
    assert support.text_embeddings is not None
    turned = Support.of_images(
        support.features,
        turn[support.labels],
        5,
        text_embeddings=support.text_embeddings[turn.argsort()],
        pool=support.pool,
    )
    scores = fit_head(name, support).scores(support.features)
    other = fit_head(name, turned).scores(support.features)
    torch.testing.assert_close(other[:, turn], scores, atol=0.02, rtol=0.01)


@pytest.mark.parametrize("name", [name for name in CLASSIFIER_HEADS if HEADS[name].head.needs_text])
def test_needs_words_and_says_so(name: str) -> None:
    support = drawn_support(words=False)
    assert name not in usable_heads(support, CLASSIFIER_HEADS)
    with pytest.raises(UserInputError, match="no text embeddings"):
        fit_head(name, support)


def test_levels_probe_without_levels_is_left_out() -> None:
    support = drawn_support()
    assert "linear_probe_levels" not in usable_heads(support, CLASSIFIER_HEADS)
    with pytest.raises(UserInputError, match="levels"):
        fit_head("linear_probe_levels", support)


def test_unknown_head() -> None:
    with pytest.raises(UserInputError, match='there is no head "svm"'):
        usable_heads(drawn_support(), ["svm"])


def test_a_probe_is_as_loud_without_a_fold_where_it_makes_no_mistake() -> None:
    support = drawn_support(noise=0.2)

    def loudness(rows: torch.Tensor) -> float:
        return spread(fit_head("linear_probe", support.rows(rows)).scores(support.features))

    folds = support.folds[0]
    whole = loudness(torch.arange(len(support)))
    for fold in range(4):
        assert loudness(torch.nonzero(folds != fold).flatten()) == pytest.approx(whole, rel=0.05)


@pytest.mark.parametrize("logit_scale", [20.0, 100.0])
@pytest.mark.parametrize("name", ["gda", "map_lr", "tip_adapter"])
def test_poor_words_do_no_harm_whatever_the_logit_scale(name: str, logit_scale: float) -> None:
    drawn = {"noise": 1.2, "word_noise": 2.0, "seed": 1}
    support = replace(drawn_support(10, 16, **drawn), logit_scale=logit_scale)  # type: ignore[arg-type]
    embedding, labels, _ = drawn_task(10, 100, 32, **drawn, draw=1)  # type: ignore[arg-type]
    head = fit_head(name, support)
    assert (head.scores(Features(embedding, ())).argmax(1) == labels).float().mean() > 0.96


def test_without_a_mistake_on_the_folds_gda_does_not_take_words_alone() -> None:
    for seed in range(20, 30):
        drawn = {"noise": 1.2, "word_noise": 1.0, "seed": seed}
        support = replace(drawn_support(5, 4, **drawn), logit_scale=10.0)  # type: ignore[arg-type]
        assert GDA().fit(support).blend_ >= 0.1, seed
