"""`Query`: the labelled photos that only measure."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from components.features.carriers import Features

__all__ = ["Query"]


@dataclass(frozen=True)
class Query:
    """Query images. No function that fits or chooses takes this type.

    Attributes:
        features: n rows, the clean view of each image.
        labels: (n,) int64, class numbers as in the support set.
        photos: SHA-256 of each; empty where nobody asks which photo is which.
    """

    features: Features
    labels: Tensor
    photos: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)
