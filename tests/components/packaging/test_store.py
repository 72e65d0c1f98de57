"""A Bento in BentoML's store, and what it is installed with."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserInputError
from components.packaging.bento import _REQUIREMENTS, NAME, _own_store
from components.packaging.requirements import pinned
from components.packaging.store import put_into_store

# BentoML's own, of a library beneath it, when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")

BENTO = f"""\
service: components.serving.service:Shotline
name: {NAME}
version: 0123456789ab
bentoml_version: {importlib.metadata.version("bentoml")}
creation_time: '1980-01-01T00:00:00+00:00'
labels: {{head: map_lr}}
models: []
entry_service: shotline
services: []
envs: []
schema: {{}}
"""


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    """BentoML's own settings; the user's store is an empty folder."""
    from bentoml._internal.bento import BentoStore
    from bentoml._internal.configuration.containers import BentoMLContainer

    (tmp_path / "store").mkdir()
    with BentoMLContainer.bento_store.patch(BentoStore(tmp_path / "store")):
        yield BentoMLContainer


@pytest.fixture
def bento(tmp_path: Path) -> Path:
    folder = tmp_path / "bento"
    (folder / "env/python").mkdir(parents=True)
    (folder / "bento.yaml").write_text(BENTO)
    (folder / "env/python/requirements.txt").write_text("torch==2.13.0\n")
    return folder


def test_it_is_found_there_and_replaced_by_its_own_version(bento: Path, container: Any) -> None:
    import bentoml

    for cuda in (True, False):
        tag = put_into_store(bento, cuda=cuda)
        (found,) = bentoml.list()
        assert str(found.tag) == tag == f"{NAME}:0123456789ab"
        assert found.info.labels == {"head": "map_lr"}
        installed = (Path(found.path) / "env/python/requirements.txt").read_text()
        assert installed.endswith("torch==2.13.0\n")
        assert installed.startswith("torch" if cuda else "--extra-index-url https://download.pytorch.org/whl/cpu\n")


def test_without_a_bento_nothing_is_imported(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no Bento yet"):
        put_into_store(tmp_path)


def test_building_leaves_the_user_s_store_as_it_is(container: Any, tmp_path: Path) -> None:
    mine = container.bento_store.get()
    with _own_store(tmp_path / "scratch"):
        assert container.bento_store.get() is not mine
        assert container.tmp_bento_store_dir.get() == str(tmp_path / "scratch/tmp")
    assert container.bento_store.get() is mine


def test_no_module_has_the_bento_s_name() -> None:
    assert importlib.util.find_spec(NAME) is None


def test_everything_that_serving_needs_is_pinned() -> None:
    lines = pinned(_REQUIREMENTS)
    names = [line.partition("==")[0] for line in lines]

    assert names == sorted({*names})
    assert {name.replace("_", "-") for name in _REQUIREMENTS} < {*names}
    assert {"jinja2", "timm", "torchvision"} < {*names}  # what they need in their turn
    assert not [line for line in lines if "+" in line or line.startswith(("nvidia-", "triton"))]
