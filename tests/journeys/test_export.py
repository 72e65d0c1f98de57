"""The page about exports does what it says: its code runs, with open_clip alone, and answers as Shotline does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.backbone import BackboneSettings
from components.backbone.open_clip_import import import_open_clip
from components.export.vectors import write_export
from components.live.arrivals import add
from components.live.opening import LiveWorkspace
from components.serving.answers import Answer, PhotoClassifier
from components.workspace import Workspace
from tests.conftest import REPOSITORY, draw_photo
from tests.support.stories import Run


def test_the_code_of_the_page_classifies_a_photo_of_an_added_class(
    copy_of_trained: Path, run_command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace(copy_of_trained).set_parameters({"backbone.precision": "fp32"})
    photos = [tmp_path / f"{number}.jpg" for number in range(4)]
    for number, photo in enumerate(photos):
        draw_photo(photo, 900 + number, hue=128)
    add(Workspace(copy_of_trained), {"teal": photos})
    draw_photo(copy_of_trained / "photo.jpg", 990, hue=128)

    told = run_command("shotline", "export", "classes.safetensors", cwd=copy_of_trained).stdout
    versions = LiveWorkspace.open(Workspace(copy_of_trained)).versions
    live = versions.current()
    assert live is not None
    write_export(copy_of_trained / "classes.npz", *versions.load(live))
    assert "6 classes" in told

    page = (REPOSITORY / "docs/export.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 5
    import_open_clip()  # beside a CPU-only torch it needs preparation, which is no subject of the page
    monkeypatch.chdir(copy_of_trained)
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)

    settings = BackboneSettings(device="cpu", precision="fp32")
    [answer] = PhotoClassifier.load(copy_of_trained / "models", settings).answer([copy_of_trained / "photo.jpg"])
    assert isinstance(answer, Answer)
    assert names["facts"]["classes"][int(names["best"])]["name"] == answer.top[0].class_name == "teal"
    if names["facts"]["trained_are_exact"]:
        assert names["answer"] == ("unknown" if answer.abstained else "teal")
        assert float(names["probability"]) == pytest.approx(answer.top[0].probability, abs=1e-3)
    assert names["facts"]["bank"] == answer.bank
    torch.testing.assert_close(names["same"], names["logits"], atol=1e-3, rtol=1e-4)
    assert names["heat"].shape == (1, 3, 3, 6)
    assert torch.isfinite(names["heat"]).all()
    assert np.load("classifier.npy").shape == (6, 512)
    assert names["names"][-1] == "teal"
