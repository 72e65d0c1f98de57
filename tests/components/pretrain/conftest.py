"""A data set, a lexicon and parameters so small that the whole recipe runs in seconds."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.backbone.open_clip_import import import_open_clip
from components.pretrain import (
    Architecture,
    LastLayer,
    PretrainParameters,
    PretrainSources,
    TextDistillation,
    TextPlacement,
)

TRUNK = "test_efficientnet"
COLOURS = {"red_thing": (220, 30, 30), "green_thing": (30, 200, 40), "blue_thing": (30, 40, 220)}


@pytest.fixture(scope="module")
def parameters() -> PretrainParameters:
    return PretrainParameters(
        bfloat16=False,
        checkpoint_every=4,
        architecture=Architecture(
            embed_dim=16, image_size=64, image_trunk=TRUNK, text_width=8, text_layers=1, text_heads=2
        ),
        placement=TextPlacement(phrases=30),
        text=TextDistillation(steps=8, batch=16, warmup_steps=2),
        last_layer=LastLayer(pictures=6, steps=5, batch=8),
    )


@pytest.fixture(scope="module")
def trunk_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the trunk's tensors as a package carries them: under other names, a classifier of five classes last."""
    import_open_clip()  # prepares torchvision, which timm wants
    import timm

    torch.manual_seed(0)
    tensors = timm.create_model(TRUNK, num_classes=5).state_dict()
    path = tmp_path_factory.mktemp("trunk") / "trunk.pth"
    torch.save({f"of_another_library.{place}": tensor for place, tensor in enumerate(tensors.values())}, path)
    return path


@pytest.fixture(scope="module")
def sources(dataset: Path, lexicon_path: Path, trunk_weights: Path) -> PretrainSources:
    return PretrainSources(dataset, lexicon_path, trunk=trunk_weights, sentence_encoder=dataset)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
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


@pytest.fixture(scope="module")
def lexicon_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(1)
    names = ["apple", "dog", "red thing", "green thing", "blue thing", "bread", "chair", "stone", "lamp", "apple"]
    vectors = draw.normal(size=(len(names), 16)) + 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    templates = ["a photo of a"] * 5 + ["a"] * 5
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.npz"
    np.savez(path, name=np.array(names), template=np.array(templates), vec=vectors.astype(np.float16))
    return path


@pytest.fixture(scope="module")
def letters_as_sentences() -> Iterator[None]:
    """Stands in for the sentence encoder: a text's letters, counted."""

    class Letters:
        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def encode(self, texts: list[str]) -> torch.Tensor:
            counts = torch.tensor([[text.count(chr(97 + i)) for i in range(26)] for text in texts]).float() + 0.01
            return torch.nn.functional.normalize(counts, dim=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.pretrain.recipe.SentenceEncoder", Letters)
        yield
