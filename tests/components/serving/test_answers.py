"""A classifier from its folder: what it refuses to open, what it refuses to look at, and how much it decodes at once."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from PIL import Image

from components.backbone import BackboneSettings, load_backbone
from components.classifier import Bundle
from components.errors import UserInputError
from components.ingest import Limits, PhotoError
from components.serving.answers import Answer, PhotoClassifier
from tests.conftest import REPOSITORY, FakeBackbone, draw_photo
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle

FP32 = BackboneSettings(device="cpu", precision="fp32")


def png(size: tuple[int, int] = (64, 48), colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Of 32-dimensional embeddings, as the fake backbone gives them; photos of at most 10,000 pixels."""
    return dataclasses.replace(drawn_bundle(drawn_support(d=32), ["map_lr"])[0], limits=Limits(20, 10_000, 5_000))


@pytest.mark.parametrize(
    ("photo", "reason", "said", "remedy"),
    [
        (png((101, 100)), "oversized", "101 x 100 pixels, more than 10,000", "ingest.max_pixels"),
        (png() + b"\0" * 5_000, "oversized", "more than 5,000 bytes", "ingest.max_bytes"),
        (png((90, 19)), "too_small", "a side below 20", "ingest.min_size_px"),
        (png()[:60], "truncated", "cut off", "the whole file"),
        (b"words", "not_an_image", "not an image", "JPEG, PNG or WebP"),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_what_is_classified_keeps_to_the_limits_of_the_training(
    bundle: Bundle, photo: bytes, reason: str, said: str, remedy: str, as_file: bool, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(photo)
    classifier = PhotoClassifier(bundle, FakeBackbone())  # type: ignore[arg-type]

    refused, answer = classifier.answer([tmp_path / "photo" if as_file else photo, png((100, 100))])

    assert isinstance(refused, PhotoError)
    assert (refused.reason, said in refused.what, remedy in refused.remedy) == (reason, True, True)
    assert isinstance(answer, Answer)


def test_a_photo_whose_file_is_damaged_has_its_answer_and_its_flaw(bundle: Bundle, tmp_path: Path) -> None:
    draw_photo(tmp_path / "whole.jpg", 1)
    whole = (tmp_path / "whole.jpg").read_bytes()
    damaged = bytearray(whole)
    damaged[-400:-398] = b"\xff\xd0"  # a marker among the pixels
    classifier = PhotoClassifier(bundle, FakeBackbone())  # type: ignore[arg-type]

    good, torn, endless = classifier.answer([whole, bytes(damaged), whole[:-2]])

    assert isinstance(good, Answer)
    assert good.flaw is None
    assert "flaw" not in good.to_json()
    for answer, told in ((torn, "damaged or missing"), (endless, "end marker is missing")):
        assert isinstance(answer, Answer)
        assert answer.top
        assert told in answer.to_json()["flaw"]
    [[again, _, _]] = classifier.answer_batches([[lambda: bytes(damaged), lambda: whole, lambda: b"words"]])
    assert isinstance(again, Answer)
    assert again.flaw == torn.flaw  # type: ignore[union-attr]


def test_people_are_told_the_words_and_programs_the_folder(bundle: Bundle) -> None:
    [answer] = PhotoClassifier(bundle, FakeBackbone()).answer([png()])  # type: ignore[arg-type]

    assert isinstance(answer, Answer)
    best = answer.top[0]
    assert best.display_name == f"kind {int(best.class_name[4:])} キズ"
    assert answer.to_json()["top"][0] == {"class": best.class_name, "probability": best.probability}


class Watching(FakeBackbone):
    """Notes how many pixels are being prepared at once, each for a moment, so that threads would overlap if they could."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.now, self.most = Lock(), 0, 0

    def preprocess(self, image: Image.Image) -> Any:
        pixels = image.width * image.height
        with self.lock:
            self.now += pixels
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self.lock:
            self.now -= pixels
        return super().preprocess(image)


def test_no_more_is_decoded_at_once_than_the_budget(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    photos = [png((100, 100))] * 64
    bounded, unbounded = Watching(), Watching()

    answers = PhotoClassifier(bundle, bounded, pixels_at_once=20_000).answer(photos)  # type: ignore[arg-type]
    PhotoClassifier(bundle, unbounded).answer(photos)  # type: ignore[arg-type]

    assert all(isinstance(answer, Answer) for answer in answers)
    assert bounded.most <= 20_000 < unbounded.most


@pytest.fixture(scope="module")
def made_with_embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `models` with a bundle of the embedded backbone, made as on this machine."""
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(REPOSITORY / "tests/small_clip", models / "embedded")
    backbone = load_backbone("embedded", models=models, device="cpu", precision="fp32")
    width = backbone.encode_texts(["a photo of a pit."]).shape[1]
    bundle, _ = drawn_bundle(drawn_support(d=width), ["nearest_mean"])
    dataclasses.replace(bundle, backbone=dataclasses.asdict(backbone.identity)).save(models / "bundle")
    return models


@pytest.fixture
def models(made_with_embedded: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(made_with_embedded, tmp_path / "models"))


def with_backbone(models: Path, **facts: Any) -> None:
    """Save the bundle again, as made with another backbone."""
    bundle = Bundle.load(models / "bundle")
    dataclasses.replace(bundle, backbone={**bundle.backbone, **facts}).save(models / "bundle")


def test_a_bundle_made_on_a_gpu_answers_on_a_cpu(models: Path) -> None:
    [here] = PhotoClassifier.load(models, FP32).answer([png()])
    with_backbone(models, device_kind="cuda", precision="fp16")

    [there] = PhotoClassifier.load(models, FP32).answer([png()])

    assert isinstance(here, Answer)
    assert isinstance(there, Answer)
    assert there.top == here.top


def lose(models: Path) -> None:
    shutil.rmtree(models / "embedded")


def lose_weights(models: Path) -> None:
    (models / "embedded/open_clip_model.safetensors").unlink()


def folder_gone(models: Path) -> None:
    with_backbone(models, name=str(models / "my-clip"))


def other_weights(models: Path) -> None:
    with_backbone(models, weights="f" * 64)


def other_preprocessing(models: Path) -> None:
    facts = json.loads((models / "bundle/bundle.json").read_text())["backbone"]["preprocessing"]
    with_backbone(models, preprocessing={**facts, "mean": [0.0, 0.0, 0.0]})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose, "is not here"),
        (lose_weights, "is not here"),
        (folder_gone, "is not here"),
        (other_weights, "other weights (ffffffffffff)"),
        (other_preprocessing, "other preprocessing"),
    ],
)
def test_a_backbone_that_is_missing_or_another_is_told_with_what_to_do(
    models: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(models)
    with pytest.raises(UserInputError) as caught:
        PhotoClassifier.load(models, FP32)
    assert said in caught.value.what
    assert "bundle" in caught.value.on
    assert "put the backbone back" in caught.value.remedy
    assert "train again" in caught.value.remedy


PEAK = """
import io, os, sys
os.cpu_count = lambda: 16
import numpy as np
from PIL import Image
from components.classifier import Bundle
from components.serving.answers import PhotoClassifier
from pathlib import Path
from tests.conftest import FakeBackbone

def peak() -> int:
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

side = 1400
file = io.BytesIO()
Image.fromarray(np.tile(np.arange(side, dtype=np.uint16) * 16, (side, 1))).save(file, "PNG")
small = io.BytesIO()
Image.new("I;16", (64, 64)).save(small, "PNG")
at_once = int(sys.argv[2]) * side**2
classifier = PhotoClassifier(Bundle.load(Path(sys.argv[1])), FakeBackbone(), pixels_at_once=at_once)
classifier.answer([small.getvalue()] * 16)
before = peak()
classifier.answer([file.getvalue()] * 16)
print((peak() - before) / side**2)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's highest memory")
def test_many_large_photos_at_once_take_the_memory_of_a_few(bundle: Bundle, tmp_path: Path) -> None:
    dataclasses.replace(bundle, limits=Limits()).save(tmp_path)
    measured = subprocess.run(
        [sys.executable, "-c", PEAK, tmp_path, "2"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    # A 16-bit photo takes 6 bytes a pixel and a few bands. Sixteen at once take 100; heaps of their own for each thread
    # take as much; two take 20 to 30.
    assert float(measured.stdout) < 55
