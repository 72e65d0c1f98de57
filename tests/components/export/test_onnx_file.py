"""One ONNX file answers as the classifier does, for every head, with added classes, in every batch; else it is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from components.backbone.open_clip_import import import_open_clip
from components.bank import Answering, Bank
from components.classifier import HEADS, Bundle
from components.errors import ShotlineError, UserInputError
from components.export import graph
from components.export.card import write_card
from components.export.onnx_file import (
    PRECISIONS,
    RECIPE,
    backbone_for_export,
    checked,
    onnx_model,
    require_loadable,
    support_photos,
    write_onnx,
)
from components.export.recipes.answer import prepared, upright_rgb
from components.features import level_features
from components.ingest import load_image
from tests.conftest import REPOSITORY, draw_photo
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle
from tests.support.small_export import draw_task, small_backbone, small_classifier

# A map of the embedding, and one of the levels: an export takes seconds, the others' are soak.
IN_EVERY_RUN = ("map_lr", "ldc")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    return draw_task(tmp_path_factory.mktemp("photos"))


def expected(bundle: Bundle, bank: Bank, photos: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The classifier's own probabilities of (n, side, side, 3) pixels."""
    backbone = small_backbone()
    pixels = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(backbone.identity.preprocessing[name]).view(3, 1, 1) for name in ("mean", "std"))
    features = level_features(backbone.encode_images((pixels - mean) / std, levels=True), bundle.head.level_mode)
    return Answering.of(bundle, bank).answer(features).probabilities.numpy()


@pytest.mark.parametrize(
    "head",
    [pytest.param(each, marks=() if each in IN_EVERY_RUN else pytest.mark.soak) for each in (*HEADS, "ldc pooled")],
)
def test_every_head_with_an_added_class_answers_in_onnx_as_it_does_here(
    head: str, task: tuple[list[Path], list[Path]]
) -> None:
    bundle, bank = small_classifier(head, *task)
    backbone = small_backbone()
    assert bank.names == ("teal",)

    model = onnx_model(bundle, bank, backbone)
    session = onnxruntime.InferenceSession(model.SerializeToString())

    drawn = np.random.default_rng(0)
    side = session.get_inputs()[0].shape[1]
    for batch in (1, 2, 8):
        photos = drawn.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        embedding, probabilities = session.run(["embedding", "probabilities"], {"photos": photos})
        own = expected(bundle, bank, photos)
        # Levels are rounded to half precision, and of noise one may round to its neighbour: the classifier itself then
        # answers a photo otherwise alone than among others. More than that no export is off.
        alone = np.concatenate([expected(bundle, bank, photos[place : place + 1]) for place in range(batch)])
        assert np.abs(probabilities - own).max() <= PRECISIONS["fp32"] + np.abs(alone - own).max()
        assert np.abs(np.linalg.norm(embedding, axis=1) - 1).max() < 1e-5
    facts = json.loads(session.get_modelmeta().custom_metadata_map["shotline"])
    assert [each["kind"] for each in facts["classes"]] == ["trained"] * 4 + ["added"]
    assert facts["threshold"] == Answering.of(bundle, bank).threshold
    assert (facts["head"], facts["opset"]) == (head.split()[0], graph.OPSET)

    every_photo = [*task[0], *task[1]]
    agreement = checked(model.SerializeToString(), bundle, bank, backbone, every_photo, PRECISIONS["fp32"])
    assert (agreement.photos, agreement.same_answer) == (19, 1.0)


@pytest.mark.parametrize("precision", ["half_weights", "fp16"])
def test_half_precision_is_half_the_size_and_close(precision: str, task: tuple[list[Path], list[Path]]) -> None:
    bundle, bank = small_classifier("map_lr", *task)
    content = onnx_model(bundle, bank, small_backbone(), precision).SerializeToString()

    agreement = checked(content, bundle, bank, small_backbone(), task[0], PRECISIONS[precision])

    weights = sum(tensor.nbytes for tensor in small_backbone()._model.visual.state_dict().values())
    assert len(content) < 0.6 * weights
    assert 0 < agreement.largest_difference <= PRECISIONS[precision]


@pytest.fixture(scope="module")
def exported(task: tuple[list[Path], list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MAP-LR and an added class as `shotline export` writes them."""
    bundle, bank = small_classifier("map_lr", *task)
    bundle = dataclasses.replace(bundle, backbone={**bundle.backbone, "name": str(REPOSITORY / "tests/small_clip")})
    folder = tmp_path_factory.mktemp("exported")
    write_onnx(folder / "model.onnx", bundle, bank, REPOSITORY, task[0], card="# A card\n")
    return folder


def said_by_python(exported: Path, *photos: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-I", "answer.py", "model.onnx", *photos],
        cwd=exported,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_program_beside_it_answers_without_shotline(
    task: tuple[list[Path], list[Path]], exported: Path, tmp_path: Path
) -> None:
    assert sorted(path.name for path in exported.iterdir()) == ["MODEL_CARD.md", "answer.py", "model.onnx"]
    bundle, bank = small_classifier("map_lr", *task)
    draw_photo(tmp_path / "teal.jpg", 990, hue=30)

    [said] = said_by_python(exported, tmp_path / "teal.jpg")

    pixels = prepared(load_image(tmp_path / "teal.jpg"), bundle.backbone["preprocessing"])
    own = expected(bundle, bank, np.stack([pixels]))[0]
    assert said["class"] == (*bundle.class_names, *bank.names)[own.argmax()]
    assert said["probability"] == pytest.approx(float(own.max()), abs=1e-4)
    assert said["unknown"] == (own.max() < (Answering.of(bundle, bank).threshold or 0))


def test_the_example_in_c_answers_as_the_one_in_python_does(exported: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    library = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"), None)
    if library is None:
        pytest.skip("this onnxruntime package brings no library for C programs")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):  # what the linker looks for, and then the loader
        (tmp_path / name).symlink_to(library)
    installed = Path("/usr/include/onnxruntime")
    headers = installed if installed.is_dir() else REPOSITORY / "tests/support/onnxruntime"
    program = tmp_path / "answer"
    # In Python's order of operations: a multiplication and an addition in one would round once.
    compile_it = [
        compiler,
        "-O2",
        "-std=c99",
        "-ffp-contract=off",
        "-Wall",
        "-Wextra",
        "-Werror",
        RECIPE.with_suffix(".c"),
    ]
    link_it = ["-I", headers, "-L", tmp_path, "-lonnxruntime", "-lm", f"-Wl,-rpath,{tmp_path}", "-o", program]
    subprocess.run([*compile_it, *link_it], check=True)
    photos = [tmp_path / f"{number}.ppm" for number in range(4)]
    for number, (photo, size) in enumerate(zip(photos, [(97, 64), (90, 333), (300, 200), (64, 64)], strict=True)):
        draw_photo(photo.with_suffix(".jpg"), 700 + number, hue=60 * number, size=size)
        Image.open(photo.with_suffix(".jpg")).save(photo)

    done = subprocess.run([program, exported / "model.onnx", *photos], capture_output=True, text=True, check=True)

    in_python = said_by_python(exported, *photos)
    for photo, said, line in zip(photos, in_python, done.stdout.splitlines(), strict=True):
        path, name, probability, *unknown = line.split("\t")
        assert (path, name, unknown == ["unknown"]) == (str(photo), said["class"], said["unknown"])
        assert float(probability) == pytest.approx(said["probability"], abs=1e-4)
    broken = subprocess.run([program, exported / "model.onnx", __file__], capture_output=True, text=True)
    assert (broken.returncode, "no binary PPM" in broken.stderr) == (2, True)


def test_a_card_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "MODEL_CARD.md").write_text("mine")
    assert not write_card(tmp_path / "MODEL_CARD.md", "# A card, made by Shotline.\n")
    assert (tmp_path / "MODEL_CARD.md").read_text() == "mine"
    for text in ("# A card, made by Shotline.\n", "# The next one, made by Shotline.\n"):
        assert write_card(tmp_path / "CARD.md", text)
        assert (tmp_path / "CARD.md").read_text() == text


@pytest.mark.parametrize("size", [(100, 70), (70, 101), (64, 64), (333, 65), (64, 200), (2000, 1500)])
def test_the_recipe_prepares_a_photo_to_the_last_bit(size: tuple[int, int]) -> None:
    backbone = small_backbone()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    mean, std = (torch.tensor(backbone.identity.preprocessing[name]).view(3, 1, 1) for name in ("mean", "std"))

    pixels = torch.from_numpy(prepared(image, backbone.identity.preprocessing).copy()).permute(2, 0, 1)

    torch.testing.assert_close((pixels.float() / 255 - mean) / std, backbone.preprocess(image), rtol=0, atol=1e-6)


def test_the_recipe_turns_a_photo_and_puts_it_on_white(tmp_path: Path) -> None:
    layer = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    assert upright_rgb(layer).getpixel((0, 0)) == (255, 255, 255)
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    assert upright_rgb(Image.open(tmp_path / "turned.jpg")).size == load_image(tmp_path / "turned.jpg").size == (30, 40)


def test_an_export_that_answers_otherwise_is_refused_and_not_written(
    task: tuple[list[Path], list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, bank = small_classifier("nearest_mean", *task)
    bundle = dataclasses.replace(bundle, backbone={**bundle.backbone, "name": str(REPOSITORY / "tests/small_clip")})
    scores = graph._scores
    monkeypatch.setattr(graph, "_scores", lambda head, features: scores(head, features) * 1.02)

    with pytest.raises(ShotlineError, match="answers otherwise"):
        write_onnx(tmp_path / "model.onnx", bundle, bank, REPOSITORY, task[0], card="")

    assert list(tmp_path.iterdir()) == []


def test_averages_behind_a_padding_of_timm_can_be_exported(tmp_path: Path) -> None:
    import_open_clip()  # what timm needs beside a torch for CPUs alone
    from timm.layers.conv2d_same import Conv2dSame

    model = torch.nn.Sequential(Conv2dSame(3, 4, 3, stride=2), torch.nn.AdaptiveAvgPool2d((3, 7))).eval()
    photos = torch.randn(2, 3, 20, 21)

    with graph._spelt_out_pooling(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (photos,), tmp_path / "m.onnx", dynamo=False, input_names=["photos"])

    [pooled] = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"photos": photos.numpy()})
    torch.testing.assert_close(torch.from_numpy(pooled), model(photos).detach(), rtol=0, atol=1e-6)
    for size, n in ((7, 7), (24, 6), (25, 13), (5, 1)):
        row = torch.randn(1, 1, size, 1)
        averaged = torch.nn.functional.adaptive_avg_pool2d(row, (n, 1))
        torch.testing.assert_close(graph._windows(size, n) @ row, averaged)


def test_what_the_runtime_cannot_load_is_told_and_does_not_end_the_command() -> None:
    with pytest.raises(ShotlineError, match="cannot load it in half precision") as caught:
        require_loadable(b"no model", "head gda")
    assert "half_weights" in caught.value.remedy


def test_what_cannot_be_exported_says_why(
    task: tuple[list[Path], list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, bank = small_classifier("nearest_mean", *task)
    backbone = small_backbone()
    with pytest.raises(UserInputError, match="none of the photos"):
        checked(onnx_model(bundle, bank, backbone).SerializeToString(), bundle, bank, backbone, [], 1e-4)
    with pytest.raises(UserInputError, match="no precision"):
        write_onnx(tmp_path / "a.onnx", bundle, bank, REPOSITORY, task[0], card="", precision="int8")
    other = {**backbone.identity.preprocessing, "resize_mode": "longest"}
    monkeypatch.setattr(backbone, "identity", dataclasses.replace(backbone.identity, preprocessing=other))
    with pytest.raises(UserInputError, match="longest"):
        onnx_model(bundle, bank, backbone)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserInputError, match="onnxruntime is not installed"):
        write_onnx(tmp_path / "a.onnx", bundle, bank, REPOSITORY, task[0], card="")


def test_photos_are_found_by_their_hashes(task: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    bundle, bank = small_classifier("nearest_mean", *task)
    ids = [photo for photos in bundle.split.values() for photo in photos]
    listed = dict.fromkeys(ids[:3], task[0][0]) | {ids[4]: tmp_path / "gone.jpg", "teal0.jpg": task[1][0]}

    assert support_photos(bundle, bank, listed) == [task[0][0]] * 3 + [task[1][0]]


def test_a_second_encoder_beside_the_backbone_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    bundle, _ = drawn_bundle(drawn_support(3, shots=2), ["gda"])
    beside = dataclasses.replace(bundle, backbone={**bundle.backbone, "beside": {"name": "embedded"}})

    with pytest.raises(UserInputError, match="one image tower") as caught:
        backbone_for_export(beside, tmp_path)
    assert "--beside none" in caught.value.remedy
