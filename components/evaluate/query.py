"""`Query`: the labelled photos that are only measured on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from components.features.carriers import Features

__all__ = ["Query"]


@dataclass(frozen=True)
class Query:
    """Query images. No function that fits or chooses accepts this type.

    Attributes:
        features: n rows, the clean view of each image.
        labels: (n,) int64, class numbers as in the support set.
        image_ids: of each row; empty if they are not needed.
    """

    features: Features
    labels: Tensor
    image_ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)
