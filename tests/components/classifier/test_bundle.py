"""A bundle answers the same after a trip through a folder, repeats its bytes, and names what is wrong with a folder."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from components.classifier import CLASSIFIER_HEADS, Bundle, saved_version
from components.errors import UserInputError
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle, fitted_bundle

ONE = ["map_lr"]  # which head lies there matters to few of these tests


@pytest.mark.parametrize("name", list(CLASSIFIER_HEADS))
def test_save_load_predict_is_identical(name: str, tmp_path: Path) -> None:
    support = drawn_support(shots=[3, 6, 4, 5, 4], levels=True, noise=1.0, pool=8)
    bundle, _ = drawn_bundle(support, [name])
    bundle.save(tmp_path)
    loaded = Bundle.load(tmp_path)
    assert torch.equal(loaded.head.scores(support.features), bundle.head.scores(support.features))
    assert (loaded.temperature, loaded.threshold) == (bundle.temperature, bundle.threshold)
    assert loaded.version == bundle.version
    assert loaded.class_names == bundle.class_names
    assert loaded.display_names == bundle.display_names
    assert (loaded.split, loaded.why, loaded.provenance) == (bundle.split, bundle.why, bundle.provenance)
    assert loaded.limits == bundle.limits
    assert torch.equal(loaded.support.embeddings, bundle.support.embeddings)
    assert loaded.head.state().name == name


@settings(max_examples=2)
@given(st.integers(2, 6), st.integers(1, 5), st.booleans(), st.booleans())
def test_same_photos_same_bytes(n_classes: int, shots: int, words: bool, generic: bool) -> None:
    folders = []
    with tempfile.TemporaryDirectory() as root:
        for attempt in ("one", "two"):
            support = drawn_support(n_classes, shots, 16, words=words)
            if generic:
                object.__setattr__(support, "covariance", torch.eye(16))
            fitted_bundle(support)[0].save(Path(root) / attempt)
            folders.append({path.name: path.read_bytes() for path in (Path(root) / attempt).iterdir()})
    assert folders[0] == folders[1]
    assert set(folders[0]) == {"bundle.json", "head.safetensors", "support.safetensors", "text.safetensors"}


def test_nothing_of_the_machine_is_written(tmp_path: Path) -> None:
    drawn_bundle(drawn_support(), ONE)[0].save(tmp_path)
    assert str(tmp_path) not in (tmp_path / "bundle.json").read_text()
    for part in tmp_path.glob("*.safetensors"):
        with safe_open(part, "pt") as file:
            assert len(file.metadata() or {}) <= 1


def test_the_version_names_the_content() -> None:
    first, _ = drawn_bundle(drawn_support(), ONE)
    assert first.version == fitted_bundle(drawn_support(), ONE)[0].version
    assert first.version != drawn_bundle(drawn_support(seed=1), ONE)[0].version
    assert first.version != drawn_bundle(drawn_support(), ["gda"])[0].version
    assert len(first.version) == 12


def test_a_bundle_that_replaces_another_is_whole(tmp_path: Path) -> None:
    drawn_bundle(drawn_support(seed=1), ONE)[0].save(tmp_path)
    second = drawn_bundle(drawn_support(), ONE)[0]
    second.save(tmp_path)
    assert Bundle.load(tmp_path).version == second.version


def test_a_bundle_that_another_program_wrote_keeps_its_version(folder: Path) -> None:
    facts = json.loads((folder / "bundle.json").read_text())
    facts["note"] = "a fact that this program does not know"
    (folder / "bundle.json").write_text(json.dumps(facts))

    assert Bundle.load(folder).version == saved_version(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drawn_bundle(drawn_support(), ONE)[0].save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no classifier here"):
        Bundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize("part", ["head.safetensors", "text.safetensors", "support.safetensors"])
def test_half_a_folder(folder: Path, part: str) -> None:
    (folder / part).unlink()
    with pytest.raises(UserInputError, match="missing") as caught:
        Bundle.load(folder)
    assert part in caught.value.on


def test_parts_of_two_bundles(folder: Path, tmp_path: Path) -> None:
    drawn_bundle(drawn_support(seed=5), ONE)[0].save(tmp_path / "other")
    shutil.copy(tmp_path / "other/head.safetensors", folder)
    with pytest.raises(UserInputError, match="not the one that"):
        Bundle.load(folder)


def test_another_version(folder: Path) -> None:
    facts = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**facts, "version": 7}))
    with pytest.raises(UserInputError, match="version 7; this program reads version 2"):
        Bundle.load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 2, "files": {}}'])
def test_broken_facts(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content)
    with pytest.raises(UserInputError):
        Bundle.load(folder)


@pytest.mark.parametrize("fact", ["temperature", "limits"])
def test_lacking_facts(folder: Path, fact: str) -> None:
    facts = json.loads((folder / "bundle.json").read_text())
    del facts[fact]
    (folder / "bundle.json").write_text(json.dumps(facts))
    with pytest.raises(UserInputError, match=f"lacks '{fact}'"):
        Bundle.load(folder)


def test_a_name_twice_is_refused() -> None:
    bundle, _ = drawn_bundle(drawn_support(n_classes=2), ONE)
    with pytest.raises(ValueError, match="distinct"):
        Bundle(**{**bundle.__dict__, "class_names": ("a", "a")})
