"""A data set, a lexicon and parameters so small that the whole recipe runs in seconds."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.pretrain import (
    Architecture,
    ImageTraining,
    PretrainParameters,
    Settling,
    TextDistillation,
    TextPlacement,
)

COLOURS = {"red_thing": (220, 30, 30), "green_thing": (30, 200, 40), "blue_thing": (30, 40, 220)}


@pytest.fixture
def parameters() -> PretrainParameters:
    return PretrainParameters(
        threads=2,
        bfloat16=False,
        checkpoint_every=4,
        architecture=Architecture(
            embed_dim=16, image_layers=(1, 1, 1, 1), image_width=2, text_width=8, text_layers=1, text_heads=2
        ),
        placement=TextPlacement(phrases=30),
        text=TextDistillation(steps=8, batch=16, warmup_steps=2),
        image=ImageTraining(stages=((2.0, 32), (2.0, 96)), batch=8, warmup_steps=2, mixing=0.5),
        settling=Settling(steps=20, batch=16),
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with (folder / "classes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["folder", "name"])
        writer.writerows([name, name.replace("_", " ")] for name in COLOURS)
    draw = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
            for name, colour in COLOURS.items():
                for number in range(count):
                    noise = draw.integers(-20, 20, (64, 64, 3))
                    picture = Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
                    content = io.BytesIO()
                    picture.save(content, "WEBP", quality=80)
                    archive.writestr(f"{name}/{number}.webp", content.getvalue())
    return folder


@pytest.fixture
def lexicon_path(tmp_path: Path) -> Path:
    draw = np.random.default_rng(1)
    names = ["apple", "bread", "chair", "dog", "red thing", "green thing", "blue thing", "stone", "lamp", "apple"]
    vectors = draw.normal(size=(len(names), 16)) + 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    templates = ["a photo of a"] * 5 + ["a"] * 5
    path = tmp_path / "lexicon.npz"
    np.savez(path, name=np.array(names), template=np.array(templates), vec=vectors.astype(np.float16))
    return path


@pytest.fixture
def letters_as_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the sentence encoder: a text's letters, counted."""

    class Letters:
        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def encode(self, texts: list[str]) -> torch.Tensor:
            counts = torch.tensor([[text.count(chr(97 + i)) for i in range(26)] for text in texts]).float() + 0.01
            return torch.nn.functional.normalize(counts, dim=1)

    monkeypatch.setattr("components.pretrain.recipe.SentenceEncoder", Letters)
