"""Heads that are one affine map of the embedding say so, and the map is the head."""

import pytest
import torch

from components.classifier import CLASSIFIER_HEADS, fit_head
from components.features import Features
from components.heads import stand_in
from tests.support.drawn_rows import drawn_support, drawn_task


@pytest.mark.parametrize("name", list(CLASSIFIER_HEADS))
def test_the_map_scores_as_the_head_or_there_is_none(name: str) -> None:
    support = drawn_support(n_classes=7, shots=6, levels=True, pool=8)
    head = fit_head(name, support)

    found = head.affine()

    assert (found is not None) == (name in {"zero_shot", "nearest_mean", "gda", "linear_probe"})
    if found is not None:
        weights, offsets = found
        mine = support.features.embedding @ weights.T + offsets
        torch.testing.assert_close(mine, head.scores(support.features), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(("shots", "d"), [(4, 64), (12, 16), (1, 32)])
def test_a_stand_in_answers_as_the_head_on_photos_that_neither_has_seen(shots: int, d: int) -> None:
    support = drawn_support(n_classes=10, shots=shots, d=d)
    head = fit_head("map_lr", support)
    query = drawn_task(10, 30, d, noise=0.6, word_noise=0.5, seed=0, draw=1)[0]

    found = stand_in(support.features.embedding, head.scores(support.features))

    mine, theirs = query @ found.weights.T + found.offsets, head.scores(Features(query))
    assert (mine.argmax(1) == theirs.argmax(1)).float().mean() > 0.9


def test_what_is_left_out_is_what_a_ridge_without_that_photo_says() -> None:
    support = drawn_support(n_classes=3, shots=5, d=16)
    rows = support.features.embedding.double()
    logits = fit_head("map_lr", support).scores(support.features).double()
    penalty = 0.1 * torch.linalg.svdvals(rows - rows.mean(0)).square().mean()

    left_out = stand_in(rows, logits, stiffness=(0.1,)).left_out

    for place in range(len(rows)):
        kept = torch.arange(len(rows)) != place
        centre, level = rows[kept].mean(0), logits[kept].mean(0)
        X, Y = rows[kept] - centre, logits[kept] - level
        weights = torch.linalg.solve(X.T @ X + penalty * torch.eye(16, dtype=torch.float64), X.T @ Y)
        mine = (rows[place] - centre) @ weights + level
        torch.testing.assert_close(mine.float(), left_out[place], atol=1e-4, rtol=1e-4)


def test_of_several_the_stiffness_with_the_least_left_out_error_is_taken() -> None:
    support = drawn_support(n_classes=3, shots=5, d=16)
    rows, logits = support.features.embedding, fit_head("map_lr", support).scores(support.features)

    def error(*stiffness: float) -> float:
        return float((stand_in(rows, logits, stiffness).left_out - logits).square().mean())

    assert error(100.0, 0.01, 10.0) == error(0.01) < min(error(100.0), error(10.0))
