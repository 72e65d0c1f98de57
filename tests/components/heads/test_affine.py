"""Heads that are one affine map of the embedding say so, and the map is the head."""

import pytest
import torch

from components.heads import HEADS, affine_of, head_class
from tests.components.heads.drawn import drawn_support


@pytest.mark.parametrize("name", list(HEADS))
def test_the_map_scores_as_the_head_or_there_is_none(name: str) -> None:
    support = drawn_support(n_classes=7, shots=6, levels=True)
    head = head_class(name)().fit(support)

    found = affine_of(head)

    assert (found is not None) == (name in {"zero_shot", "nearest_mean", "gda", "linear_probe"})
    if found is not None:
        weights, offsets = found
        mine = support.features.embedding @ weights.T + offsets
        torch.testing.assert_close(mine, head.scores(support.features), atol=1e-3, rtol=1e-4)
