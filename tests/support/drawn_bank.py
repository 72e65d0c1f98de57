"""Drawn features of added classes' photos, and a bank with such a class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import normalize

from components.bank import AddedClass, Bank, ColumnFitter
from components.classifier import Bundle
from components.features import Features
from components.liteembed import LiteEmbedSettings
from tests.conftest import FakeBackbone


def features_of(photos: Sequence[str]) -> Features:
    """Photos whose hash begins alike look alike."""

    def drawn(text: str) -> torch.Tensor:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return torch.randn(32, generator=torch.Generator().manual_seed(seed))

    rows = [drawn(photo.split("-")[0]) + 0.4 * drawn(photo) for photo in photos]
    return Features(normalize(torch.stack(rows), dim=1))


PHOTOS = tuple(f"rust-{number}" for number in range(3))


def with_rust(bundle: Bundle) -> Bank:
    backbone: Any = FakeBackbone()
    fitter = ColumnFitter(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
    return fitter(Bank.empty(bundle), [AddedClass("rust", PHOTOS, "2026-01-01T00:00:00+00:00", 1)], "").bank
