"""A workspace as the stages leave it, drawn: five classes of which some are mistaken, two added ones, photos to look at."""

from __future__ import annotations

import pytest

from components.workspace import Workspace
from tests.support.measured_workspace import measured_workspace


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return measured_workspace(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="session")
def out_of_fold(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return measured_workspace(tmp_path_factory.mktemp("out_of_fold"), on_query=False, added=False)
