"""A second encoder beside the backbone, through every room: store, heads, bank, search, export, door, Bento."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import shotline
from components.artefacts import BackboneFacts, read_metrics
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.checkpoints import make_checkpoint

D, BESIDE = 512, 24


@pytest.mark.soak
def test_from_training_to_the_bento(
    make_workspace: Callable[[], Path], run_command: Callable[..., object], photo_folder: Path, tmp_path: Path
) -> None:
    root = make_workspace()
    second = make_checkpoint(tmp_path / "second", {"timm_model_name": "test_efficientnet", "image_size": 64})
    run_command("shotline", "train", photo_folder, "--shots", "4", "--plain", "--beside", second, cwd=root)

    place = Workspace(root)
    facts = BackboneFacts.read(place.features)
    assert facts.beside is not None
    assert (facts.beside["name"], facts.beside["weight"]) == ("second", 0.4)
    assert "beside it second (weight 0.4)" in (place.reports / "report.txt").read_text()
    assert "beside it <code>second</code> (weight 0.4)" in (place.reports / "report.html").read_text()
    assert "ldc" in read_metrics(place.reports)["heads"]

    workspace = shotline.open(root)
    photo = photo_folder / "test/green/08.jpg"
    [embedding] = workspace.embed([photo])
    assert len(embedding) == D + BESIDE
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    before = workspace.classify([photo])[0]
    for number in range(3):
        draw_photo(tmp_path / "teal" / f"{number}.jpg", 900 + number, hue=128)
    workspace.add_class("teal", sorted((tmp_path / "teal").iterdir()))
    assert "teal" in [each["class"] for each in workspace.classes()]
    found = workspace.search(photo, top=40)
    assert "data/raw/test/green/08.jpg" in found[0].path
    assert {each.class_name for each in found} >= {"teal", "green"}
    assert len(workspace.search("something green", top=3)) == 3

    run_command("shotline", "export", tmp_path / "classes.npz", cwd=root)
    exported = np.load(tmp_path / "classes.npz")
    assert exported["class_vectors"].shape == (6, D + BESIDE)
    assert json.loads(str(exported["facts"]))["backbone"]["beside"]["name"] == "second"

    # The Bento stands alone: without the workspace's checkpoints, from another folder.
    bento = Path(shutil.copytree(place.bento, tmp_path / "bento"))
    shutil.rmtree(place.checkpoints / "second")
    alone = shotline.open(bento)
    assert alone.classify([photo])[0].top == before.top
    [there] = alone.embed([photo])
    assert torch.allclose(torch.as_tensor(there), torch.as_tensor(embedding), atol=1e-5)
