from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.backbone import load_backbone, save_backbone
from components.backbone.open_clip_import import import_open_clip
from components.errors import UserInputError
from tests.support.checkpoints import RESNET, VIT, make_checkpoint


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("resnet") / "model", RESNET)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("vit") / "model", VIT)


def test_a_resnet_gives_its_four_stages(resnet: Path) -> None:
    backbone = load_backbone(str(resnet), models=resnet, precision="fp32")
    encoded = backbone.encode_images(torch.randn(3, 3, 64, 64), levels=True)

    assert encoded.embedding.shape == (3, 24)
    assert torch.allclose(encoded.embedding.norm(dim=1), torch.ones(3))
    assert [tuple(level.shape[1:]) for level in encoded.levels] == [(32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2)]
    assert encoded.class_tokens == ()


def test_a_vit_gives_the_last_block_and_every_second_before_it(vit: Path) -> None:
    backbone = load_backbone(str(vit), models=vit, precision="fp32")
    pixels = torch.randn(2, 3, 32, 32)
    encoded = backbone.encode_images(pixels, levels=True)

    seen: dict[int, torch.Tensor] = {}
    for number, block in enumerate(backbone._model.visual.transformer.resblocks, 1):
        block.register_forward_hook(lambda _, __, out, number=number: seen.__setitem__(number, out))
    backbone.encode_images(pixels)

    for level, token, number in zip(encoded.levels, encoded.class_tokens, (2, 4, 6, 8), strict=True):
        assert torch.equal(level.flatten(2).transpose(1, 2), seen[number][:, 1:])
        assert torch.equal(token, seen[number][:, 0])


def test_asking_for_levels_does_not_change_the_embedding(resnet: Path, vit: Path) -> None:
    for folder, size in ((resnet, 64), (vit, 32)):
        backbone = load_backbone(str(folder), models=folder, precision="fp32")
        pixels = torch.randn(4, 3, size, size)

        assert torch.allclose(
            backbone.encode_images(pixels).embedding, backbone.encode_images(pixels, levels=True).embedding, atol=1e-6
        )


def test_a_row_s_bits_do_not_depend_on_its_company_in_a_batch_of_one_size(resnet: Path, vit: Path) -> None:
    for folder, size in ((resnet, 64), (vit, 32)):
        backbone = load_backbone(str(folder), models=folder)
        pixels = torch.randn(16, 3, size, size)
        company = torch.cat([torch.randn(9, 3, size, size), pixels[3:4], torch.zeros(6, 3, size, size)])

        first, second = backbone.encode_images(pixels, levels=True), backbone.encode_images(company, levels=True)

        assert torch.equal(first.embedding[3], second.embedding[9])
        assert all(torch.equal(a[3], b[9]) for a, b in zip(first.levels, second.levels, strict=True))


def test_identity_follows_weights_activation_and_precision_not_the_name(tmp_path: Path, resnet: Path) -> None:
    def identity(folder: Path, precision: str = "fp32") -> str:
        return load_backbone(str(folder), models=folder, precision=precision).identity.digest

    save_backbone(str(resnet), resnet, tmp_path / "copy")

    assert identity(tmp_path / "copy") == identity(resnet)
    assert identity(resnet, "bf16") != identity(resnet)
    assert identity(make_checkpoint(tmp_path / "other", RESNET, seed=1)) != identity(resnet)
    assert identity(make_checkpoint(tmp_path / "gelu", RESNET, quick_gelu=True)) != identity(resnet)


@pytest.mark.soak
def test_a_model_with_a_weights_file_is_saved_as_a_folder_of_the_same_identity(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    model = import_open_clip().create_model("RN50", None)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights)
    name = f"RN50/{weights.name}"
    (tmp_path / "checkpoints").mkdir()
    weights.rename(tmp_path / "checkpoints" / weights.name)

    save_backbone(name, tmp_path, tmp_path / "saved")

    original = load_backbone(name, models=tmp_path, precision="fp32")
    assert (
        load_backbone(str(tmp_path / "saved"), models=tmp_path, precision="fp32").identity.digest
        == original.identity.digest
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("embedded", 'no backbone "embedded"'),
        ("ViT-B-16", 'no backbone "ViT-B-16"'),
        ("embeded", "did you mean embedded"),
        ("empt", "did you mean empty"),
        ("ViT-Z-99/openai", 'open_clip has no model "ViT-Z-99"'),
        ("ViT-B-16/nobody", "neither a tag of ViT-B-16 nor a .safetensors file"),
        ("ViT-B-16/weights.pt", "no pickled one is opened"),
        ("{folder}", "has no open_clip_config.json"),
    ],
)
def test_a_name_that_stands_for_nothing_says_what_would(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "checkpoints" / "empty").mkdir(parents=True)
    with pytest.raises(UserInputError, match=told):
        load_backbone(name.format(folder=tmp_path / "empty"), models=tmp_path)


def test_missing_or_foreign_weights_are_an_error_not_a_random_model(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "model", RESNET)
    weights = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(UserInputError, match=r"has no open_clip_model.safetensors"):
        load_backbone(str(folder), models=tmp_path)

    (folder / "open_clip_model.safetensors").write_bytes(b"cut off")
    with pytest.raises(UserInputError, match="could not be loaded"):
        load_backbone(str(folder), models=tmp_path)

    weights.pop("visual.conv1.weight")
    save_file(weights, folder / "open_clip_model.safetensors")
    with pytest.raises(UserInputError, match="could not be loaded"):
        load_backbone(str(folder), models=tmp_path)


@pytest.mark.parametrize(
    ("device", "precision", "told"),
    [("tpu", "auto", "device is"), ("cpu", "fp16", "no fast path"), ("cpu", "int8", "precision is")],
)
def test_devices_and_precisions_that_are_not_there(resnet: Path, device: str, precision: str, told: str) -> None:
    with pytest.raises(UserInputError, match=told):
        load_backbone(str(resnet), models=resnet, device=device, precision=precision)
