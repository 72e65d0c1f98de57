from __future__ import annotations

from typing import Any

import pytest

from components.bank import Bank, ColumnFitter
from components.classifier import Bundle
from components.liteembed import LiteEmbedSettings
from tests.conftest import FakeBackbone
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle


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
