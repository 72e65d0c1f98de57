from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from components.bank import Bank, ColumnFitter
from components.classifier import Bundle
from components.features import Features
from components.liteembed import LiteEmbedSettings
from tests.components.classifier.saved import drawn_bundle
from tests.components.heads.drawn import drawn_support
from tests.conftest import FakeBackbone


def features_of(photos: Sequence[str]) -> Features:
    """Photos whose hash begins alike look alike."""

    def drawn(text: str) -> torch.Tensor:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return torch.randn(32, generator=torch.Generator().manual_seed(seed))

    rows = [drawn(photo.split("-")[0]) + 0.4 * drawn(photo) for photo in photos]
    return Features(normalize(torch.stack(rows), dim=1))


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["zero_shot", "nearest_mean", "gda"])[0]


@pytest.fixture
def fitter(bundle: Bundle) -> ColumnFitter:
    backbone: Any = FakeBackbone()
    return ColumnFitter(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)


@pytest.fixture
def empty(bundle: Bundle) -> Bank:
    return Bank.empty(bundle)
