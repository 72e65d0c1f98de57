"""`Support`: the labelled photos that a head learns from, and the folds on which every choice is made."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from components.backbone import Projector
from components.errors import UserInputError
from components.features.carriers import Features

__all__ = ["Support", "stratified_folds"]


@dataclass(frozen=True)
class Support:
    """The support set: n rows, each a view of a labelled image, and prior knowledge of its classes.

    Query images have a type of their own in `components.evaluate`, so that they cannot be passed to a function that
    chooses.

    Attributes:
        features: n rows.
        labels: (n,) int64, class numbers from 0. A head is fitted on at least one row of every class.
        images: (n,) int64, which image a row is a view of.
        groups: (n,) int64, images that must stay together (near-duplicates share a group); all views of an image
            carry one group.
        views: (n,) int64, 0 for an image's clean view, 1 and up for augmented ones.
        n_classes: number of classes C.
        text_embeddings: (C, d) float32, unit length, or None if the backbone has no words for the classes.
        logit_scale: what the backbone multiplies cosines with; CLIP's is 100.
        covariance: (d, d), the backbone's generic within-class covariance from photos of other tasks, any scale,
            or None.
        pool: (p, d) float32, unit length, embeddings of photos without a label, of these classes or of none; none of them
            is nearly a labelled photo. None if there are none.
        projector: the backbone's frozen last step, which LDC's fused feature passes; None if it has none.
        seed: of everything random: folds, batches.
        n_folds: the highest number of folds; never more than the median class has groups.
        n_repeats: how often the folds are drawn.
    """

    features: Features
    labels: Tensor
    images: Tensor
    groups: Tensor
    views: Tensor
    n_classes: int
    text_embeddings: Tensor | None = None
    logit_scale: float = 100.0
    covariance: Tensor | None = None
    pool: Tensor | None = None
    projector: Projector | None = None
    seed: int = 0
    n_folds: int = 4
    n_repeats: int = 2

    def __post_init__(self) -> None:
        n = len(self.features)
        for name in ("labels", "images", "groups", "views"):
            column = getattr(self, name)
            if column.shape != (n,) or column.dtype != torch.int64:
                raise ValueError(f"support.{name} is {tuple(column.shape)} {column.dtype}; expected ({n},) int64")
        if n and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.n_classes:
            raise ValueError(
                f"support.labels run from {int(self.labels.min())} to {int(self.labels.max())}; "
                f"there are {self.n_classes} classes"
            )
        text, d = self.text_embeddings, self.features.embedding.shape[1]
        if text is not None and text.shape != (self.n_classes, d):
            raise ValueError(f"support.text_embeddings is {tuple(text.shape)}; expected ({self.n_classes}, {d})")
        if self.pool is not None and (self.pool.ndim != 2 or self.pool.shape[1] != d):
            raise ValueError(f"support.pool is {tuple(self.pool.shape)}; expected (p, {d})")

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of_images(
        cls,
        features: Features,
        labels: Tensor,
        n_classes: int,
        *,
        text_embeddings: Tensor | None = None,
        logit_scale: float = 100.0,
        covariance: Tensor | None = None,
        pool: Tensor | None = None,
        seed: int = 0,
    ) -> Support:
        """A support set whose rows are one view each of unrelated images."""
        rows = torch.arange(len(labels))
        return cls(
            features=features,
            labels=labels,
            images=rows,
            groups=rows,
            views=torch.zeros_like(rows),
            n_classes=n_classes,
            text_embeddings=text_embeddings,
            logit_scale=logit_scale,
            covariance=covariance,
            pool=pool,
            seed=seed,
        )

    def rows(self, index: Tensor) -> Support:
        """The chosen rows (boolean mask or indices), everything else as it is; folds are drawn anew."""
        return replace(
            self,
            features=self.features[index],
            labels=self.labels[index],
            images=self.images[index],
            groups=self.groups[index],
            views=self.views[index],
        )

    @cached_property
    def clean(self) -> Support:
        """Only the clean views: one row per image."""
        return self.rows(self.views == 0)

    @cached_property
    def shots(self) -> Tensor:
        """(C,) int64: images of each class."""
        first = torch.from_numpy(np.unique(self.images.numpy(), return_index=True)[1])
        return torch.bincount(self.labels[first], minlength=self.n_classes)

    @cached_property
    def image_means(self) -> Support:
        """One row per image: the mean of its views, made unit length again; levels pooled, then averaged.

        What a closed form learns from: views of one image are no independent photos.

        Raises:
            UserInputError: a class has no photo to learn from.
        """
        empty = torch.nonzero(torch.bincount(self.labels, minlength=self.n_classes) == 0).flatten().tolist()
        if empty:
            raise UserInputError(
                f"{len(empty)} of {self.n_classes} classes have no photo to learn from",
                on=f"class number {empty[0]}",
                remedy="give every class at least one photo, or leave the class out",
            )
        images, first, row_of = np.unique(self.images.numpy(), return_index=True, return_inverse=True)
        if len(images) == len(self):
            return self
        index, position = torch.from_numpy(first), torch.from_numpy(row_of)
        n_views = torch.bincount(position).float()[:, None]

        def averaged(rows: Tensor) -> Tensor:
            return torch.zeros(len(images), rows.shape[1]).index_add_(0, position, rows.float()) / n_views

        embedding = torch.nn.functional.normalize(averaged(self.features.embedding), dim=1)
        levels = tuple(averaged(level) for level in self.features.pooled_levels())
        tokens = tuple(averaged(token) for token in self.features.class_tokens)
        return replace(
            self,
            features=Features(embedding, levels, tokens),
            labels=self.labels[index],
            images=self.images[index],
            groups=self.groups[index],
            views=torch.zeros_like(index),
        )

    @cached_property
    def folds(self) -> Tensor:
        """(repeats, n) int64: the fold that holds each row out; -1 for rows that always stay in training."""
        return stratified_folds(self.labels, self.groups, self.n_folds, self.n_repeats, self.seed)


def stratified_folds(labels: Tensor, groups: Tensor, n_folds: int, n_repeats: int, seed: int) -> Tensor:
    """Folds that keep groups whole, spread each class evenly and leave every class in every training part.

    There are at most as many folds as the median class has groups, so that a fold takes about equally many photos from
    each class. If one class lacked a photo and its rivals were complete, its own photos would look worse than they are.

    Args:
        labels: (n,) int64.
        groups: (n,) int64; a group may hold several classes.
        n_folds: the highest number of folds.
        n_repeats: independent drawings.
        seed: same seed, same folds.

    Returns:
        (n_repeats, n) int64; -1 if a row is never held out, because its class would be left without a photo.
        All -1 if the median class has one group.
    """
    label_of, group_of = labels.numpy(), groups.numpy()
    classes_in: dict[int, set[int]] = defaultdict(set)
    for group, label in zip(group_of.tolist(), label_of.tolist(), strict=True):
        classes_in[group].add(label)
    groups_of: dict[int, list[int]] = defaultdict(list)
    for group, classes in classes_in.items():
        for label in classes:
            groups_of[label].append(group)
    n_folds = min(n_folds, int(np.median([len(members) for members in groups_of.values()])) if groups_of else 0)
    folds = np.full((n_repeats, len(label_of)), -1, dtype=np.int64)
    if n_folds < 2:
        return torch.from_numpy(folds)
    group_rows, row_of = np.unique(group_of, return_inverse=True)
    for repeat in range(n_repeats):
        fold_of = _one_drawing(classes_in, groups_of, n_folds, np.random.default_rng([seed, repeat]))
        folds[repeat] = np.array([fold_of[group] for group in group_rows.tolist()])[row_of]
    return torch.from_numpy(folds)


def _one_drawing(
    classes_in: dict[int, set[int]], groups_of: dict[int, list[int]], n_folds: int, random: np.random.Generator
) -> dict[int, int]:
    order = sorted(classes_in)
    random.shuffle(order)
    order.sort(key=lambda group: -len(classes_in[group]))  # groups that touch most classes are hardest to place
    taken: dict[int, list[int]] = {label: [0] * n_folds for label in groups_of}
    total = [0] * n_folds
    fold_of: dict[int, int] = {}
    for group in order:
        classes = classes_in[group]
        counts = [sum(taken[label][fold] for label in classes) for fold in range(n_folds)]
        # the fold with fewest of its own classes, then the emptiest one; chance decides between equal folds
        fold = min(random.permutation(n_folds).tolist(), key=lambda fold: (counts[fold], total[fold]))
        fold_of[group] = fold
        total[fold] += 1
        for label in classes:
            taken[label][fold] += 1
    for members in groups_of.values():
        if len({fold_of[group] for group in members}) == 1:
            fold_of[members[0]] = -1
    return fold_of
