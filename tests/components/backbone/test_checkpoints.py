from pathlib import Path

import pytest

from components.backbone import BackboneSettings, adopt_checkpoint, load_backbone
from components.errors import UserInputError
from components.workspace import read_section
from tests.support.checkpoints import RESNET, make_checkpoint


def test_a_folder_is_copied_once_and_known_by_its_name(tmp_path: Path) -> None:
    mine = make_checkpoint(tmp_path / "mine", RESNET)
    models = tmp_path / "models"

    assert adopt_checkpoint(str(mine), models) == "mine"
    assert adopt_checkpoint(f"{mine}/", models) == "mine"
    assert adopt_checkpoint("mine", models) == "mine"

    ours, theirs = (load_backbone(name, models=models, precision="fp32") for name in ("mine", str(mine)))
    assert ours.identity.digest == theirs.identity.digest
    assert ours.identity.name == "mine"


def test_other_weights_of_the_same_name_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    models = tmp_path / "models"
    adopt_checkpoint(str(make_checkpoint(tmp_path / "mine", RESNET)), models)
    kept = (models / "checkpoints/mine/open_clip_model.safetensors").read_bytes()
    (tmp_path / "elsewhere").mkdir()
    other = make_checkpoint(tmp_path / "elsewhere" / "mine", RESNET, seed=1)

    with pytest.raises(UserInputError, match="another checkpoint of that name"):
        adopt_checkpoint(str(other), models)
    assert (models / "checkpoints/mine/open_clip_model.safetensors").read_bytes() == kept


def test_a_weights_file_goes_with_its_model_s_name(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"any")

    assert adopt_checkpoint(f"RN50/{tmp_path}/weights.safetensors", tmp_path / "models") == "RN50/weights.safetensors"
    assert (tmp_path / "models/checkpoints/weights.safetensors").read_bytes() == b"any"


@pytest.mark.parametrize("name", ["embedded", "ViT-B-16/openai"])
def test_what_needs_no_copy_keeps_its_name(tmp_path: Path, name: str) -> None:
    make_checkpoint(tmp_path / "embedded", RESNET)

    assert adopt_checkpoint(name, tmp_path) == name
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("name", ["/somewhere/mine", "../mine", "RN50//somewhere/weights.safetensors", "~/mine", ""])
def test_parameters_name_no_weights_outside_the_workspace(name: str) -> None:
    with pytest.raises(UserInputError, match="name is"):
        read_section({"name": name}, BackboneSettings, where="params.yaml: backbone")
