"""Folds keep groups whole and leave every class in every training part; views are averaged into images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserInputError
from components.features.carriers import Features
from components.heads import Support, stratified_folds
from components.heads.nearest_mean import NearestMean
from tests.support.drawn_rows import drawn_support


@st.composite
def labelled_groups(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    n_classes = draw(st.integers(2, 6))
    labels = list(range(n_classes)) + draw(st.lists(st.integers(0, n_classes - 1), max_size=40))
    groups = draw(st.lists(st.integers(0, 25), min_size=len(labels), max_size=len(labels)))
    return torch.tensor(labels), torch.tensor(groups)


@settings(deadline=None, max_examples=200)
@given(labelled_groups(), st.integers(2, 6), st.integers(0, 99))
def test_folds_hold_their_promises(rows: tuple[torch.Tensor, torch.Tensor], n_folds: int, seed: int) -> None:
    labels, groups = rows
    folds = stratified_folds(labels, groups, n_folds, 2, seed)
    assert torch.equal(folds, stratified_folds(labels, groups, n_folds, 2, seed))
    assert folds.shape == (2, len(labels))
    assert folds.max() < n_folds
    for drawing in folds:
        for group in groups.unique():
            assert len(drawing[groups == group].unique()) == 1
        for fold in range(int(drawing.max()) + 1):
            assert set(labels[drawing != fold].tolist()) == set(labels.tolist())


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 8), st.integers(2, 16), st.integers(0, 99))
def test_equal_shots_are_spread_evenly(n_classes: int, shots: int, seed: int) -> None:
    labels = torch.arange(n_classes).repeat_interleave(shots)
    folds = stratified_folds(labels, torch.arange(len(labels)), 4, 1, seed)[0]
    assert folds.min() == 0
    n_folds = int(folds.max()) + 1
    assert n_folds == min(4, shots)
    for label in range(n_classes):
        counts = torch.bincount(folds[labels == label], minlength=n_folds)
        assert counts.max() - counts.min() <= 1


def test_one_shot_has_no_folds() -> None:
    assert (drawn_support(shots=1).folds == -1).all()


def test_a_class_with_one_group_always_trains() -> None:
    folds = drawn_support(n_classes=3, shots=[4, 1, 4]).folds
    labels = drawn_support(n_classes=3, shots=[4, 1, 4]).labels
    assert (folds[:, labels == 1] == -1).all()
    assert (folds[:, labels != 1] >= 0).all()


def test_repeats_and_seeds_differ() -> None:
    labels = torch.arange(5).repeat_interleave(8)
    groups = torch.arange(40)
    first, second = stratified_folds(labels, groups, 4, 2, 0)
    assert not torch.equal(first, second)
    assert not torch.equal(first, stratified_folds(labels, groups, 4, 1, 1)[0])


def test_views_are_averaged_into_images() -> None:
    support = drawn_support(views=3, levels=True)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(support)))
    means = support.rows(order).image_means
    assert len(means) == 20
    assert torch.equal(means.images, torch.arange(20))
    first = support.features.embedding[support.images == 7].mean(0)
    torch.testing.assert_close(means.features.embedding[7], first / first.norm())
    torch.testing.assert_close(means.features.levels[2][7], support.features.levels[2][support.images == 7].mean(0))
    assert torch.equal(means.labels, support.clean.labels)
    assert support.shots.tolist() == [4] * 5


def test_one_view_an_image_is_left_as_it_is() -> None:
    support = drawn_support()
    assert support.image_means is support


def test_a_class_without_photos_cannot_be_learnt() -> None:
    support = Support.of_images(Features(torch.eye(3)), torch.arange(3), 4)
    with pytest.raises(UserInputError, match="1 of 4 classes have no photo"):
        NearestMean().fit(support)


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="run from 0 to 2; there are 2 classes"):
        Support.of_images(Features(torch.eye(3)), torch.arange(3), 2)
