"""A place with one live bundle, for stories of changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.classifier import Bundle
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import Place
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["zero_shot", "nearest_mean", "gda"])[0]


@pytest.fixture
def place(tmp_path: Path, bundle: Bundle) -> Place:
    return Place(tmp_path, bundle)
