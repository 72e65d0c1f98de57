"""Models by open_clip's hub names: at a recorded revision, from the cache, never pickled; here without a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from components.backbone import adopt_checkpoint, check_backbone, load_backbone, save_backbone
from components.errors import ShotlineError, UserInputError
from tests.support.checkpoints import RESNET, make_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"
NAME = "hf-hub:imageomics/bioclip-2"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hugging Face's cache as a download leaves it, with a model at two revisions; the hub is out of reach."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub/models--imageomics--bioclip-2"
    (repository / "snapshots").mkdir(parents=True)
    for seed, commit in enumerate((COMMIT, OTHER)):
        make_checkpoint(repository / "snapshots" / commit, RESNET, seed=seed)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    return repository / "snapshots" / COMMIT


def test_the_revision_is_recorded_and_decides(cache: Path, tmp_path: Path) -> None:
    newest = load_backbone(NAME, models=tmp_path, precision="fp32").identity
    older = load_backbone(f"{NAME}@{OTHER}", models=tmp_path, precision="fp32").identity

    assert newest.name == f"{NAME}@{COMMIT}"
    assert older.name == f"{NAME}@{OTHER}"
    assert newest.weights != older.weights
    assert adopt_checkpoint(NAME, tmp_path) == check_backbone(NAME, models=tmp_path) == newest.name

    save_backbone(newest.name, tmp_path, tmp_path / "saved")
    saved = load_backbone(str(tmp_path / "saved"), models=tmp_path, precision="fp32").identity
    assert saved.digest == newest.digest


def test_pickled_weights_are_refused(cache: Path, tmp_path: Path) -> None:
    pickled = cache / "open_clip_pytorch_model.bin"
    shutil.move(cache / "open_clip_model.safetensors", pickled)

    for ask in (check_backbone, load_backbone):
        with pytest.raises(UserInputError, match="pickled weights are not opened"):
            ask(NAME, models=tmp_path)

    shutil.copy(cache.with_name(OTHER) / "open_clip_model.safetensors", cache / "open_clip_pytorch_model.safetensors")
    load_backbone(NAME, models=tmp_path, precision="fp32")  # open_clip's other name for them; the pickle is left alone


def test_what_is_no_model_of_open_clip_s_is_told(cache: Path, tmp_path: Path) -> None:
    (cache / "open_clip_config.json").unlink()
    (cache / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(UserInputError, match="is no model of open_clip's"):
        check_backbone(NAME, models=tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("hf-hub:nobody/nothing", ShotlineError, "cannot be reached"),
        (f"{NAME}@v9", ShotlineError, "cannot be reached"),
        ("hf-hub:a/b/c", UserInputError, "hub has no a/b/c"),
    ],
)
def test_what_is_not_there_is_one_clear_line(
    cache: Path, tmp_path: Path, name: str, kind: type[ShotlineError], told: str
) -> None:
    with pytest.raises(kind, match=told):
        check_backbone(name, models=tmp_path)
