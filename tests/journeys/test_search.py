"""Photos of a workspace are found by a photo or by words, from the command line and by the service."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.backbone import BackboneSettings, load_backbone
from components.errors import UserInputError
from components.live.arrivals import add
from components.live.opening import LiveWorkspace
from components.retrieval import Photos
from components.serving.search import LatestPhotos, search
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.stories import CLASSES, Run


@pytest.fixture
def teal(tmp_path: Path) -> list[Path]:
    """Three photos of a colour that nobody trained on."""
    photos = [tmp_path / "teal" / f"{number}.jpg" for number in range(3)]
    for number, photo in enumerate(photos):
        draw_photo(photo, 900 + number, hue=128)
    return photos


def test_a_photo_finds_its_like_and_an_added_class_is_among_them(
    copy_of_trained: Path, run_command: Run, teal: list[Path], tmp_path: Path
) -> None:
    draw_photo(tmp_path / "query.jpg", 990, hue=128)
    question = str(tmp_path / "query.jpg")
    workspace = Workspace(copy_of_trained)

    printed = run_command("shotline", "search", question, "--json", cwd=copy_of_trained).stdout
    alike = [json.loads(line) for line in printed.splitlines()]
    assert len(alike) == 20
    assert all(each.keys() == {"path", "class", "similarity"} for each in alike)
    assert all((copy_of_trained / each["path"]).is_file() for each in alike)
    assert all(f"/{each['class']}/" in each["path"] for each in alike)
    assert [each["similarity"] for each in alike] == sorted((each["similarity"] for each in alike), reverse=True)

    live = LiveWorkspace.open(workspace)
    add(workspace, {"teal": teal[:2], "red": teal[2:]}, live=live, force=True)
    shutil.rmtree(copy_of_trained / "data/cache")  # what is not cached is encoded anew
    found, photos = search(workspace, question, 3)
    assert {each.class_name for each in found} == {"teal", "red"}
    assert len(photos.table) == 43
    assert {(copy_of_trained / each.path).read_bytes() for each in found} == {photo.read_bytes() for photo in teal}
    [itself], _ = search(workspace, str(copy_of_trained / found[0].path), 1)
    assert itself.path == found[0].path

    live.changes.remove("teal", live.stamp())
    found, photos = search(workspace, question, 3)
    assert "teal" not in {each.class_name for each in found}
    assert len(photos.table) == 41  # what waits for a trained class's consolidation stays


def test_words_are_compared_as_they_are_written(trained: Path, run_command: Run) -> None:
    workspace = Workspace(trained)
    photos = Photos.read(workspace)
    settings = workspace.parameters.section("backbone", BackboneSettings)
    backbone = load_backbone("embedded", models=workspace.models, device="cpu", precision=settings.precision)
    similarities = photos.embeddings @ backbone.encode_texts(["a rusty plate"])[0].numpy()
    best = photos.table["path"][int(np.argmax(similarities))].as_py()

    done = run_command("shotline", "search", "a rusty plate", "--top", "3", cwd=trained)

    similarity, _, path = done.stdout.splitlines()[0].split("  ")
    assert (path, float(similarity)) == (best, pytest.approx(float(similarities.max()), abs=1e-3))
    # 5 classes: 4 shots and 4 test photos each were drawn, 4 training photos were not
    assert "among 40 photos; 20 in data/raw were not drawn" in done.stderr


def test_a_photo_of_the_workspace_is_not_encoded_again(
    trained: Path, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no backbone is needed")

    monkeypatch.setattr("components.serving.search._backbone", refuse)
    for name in CLASSES:
        photo = next((photo_folder / "test" / name).iterdir())
        [itself], _ = search(Workspace(trained), str(photo), 1)
        assert itself.path.endswith(f"/{name}/{photo.name}")
        assert 0.999999 < itself.similarity <= 1


def test_what_cannot_be_searched_is_told(copy_of_trained: Path, make_workspace: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no photo")
    workspace = Workspace(copy_of_trained)
    for question, told in (
        ("nobody.JPG", "there is no such photo"),
        (str(tmp_path / "notes"), "not an image"),
        ("  ", "nothing to search for"),
    ):
        with pytest.raises(UserInputError, match=told):
            search(workspace, question, 5)
    with pytest.raises(UserInputError, match="train first"):
        search(Workspace(make_workspace()), "x" * 5000, 5)

    facts = copy_of_trained / "data/features/backbone.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "weights": "f" * 64}))
    with pytest.raises(UserInputError, match="data/features was made with other weights") as caught:
        search(workspace, "rust", 5)
    assert "train again" in caught.value.remedy
    (copy_of_trained / "data/validate/manifest.parquet").unlink()
    with pytest.raises(UserInputError, match="the list of photos is missing"):
        search(workspace, "rust", 5)


def test_the_service_in_a_workspace_searches_its_photos_as_they_are_now(
    copy_of_trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # BentoML's own, of libraries beneath it
        from components.serving import service

    monkeypatch.setenv("SHOTLINE_WORKSPACE", str(copy_of_trained))
    monkeypatch.setenv("SHOTLINE_PRECISION", "fp32")
    classifier = service.Classifier.inner()
    photos = Photos.read(Workspace(copy_of_trained))
    row = 7
    path = photos.table["path"][row].as_py()

    [embedded] = classifier.embed([(copy_of_trained / path).read_bytes()])
    found = classifier.like(embedded["embedding"], 3)["photos"]
    assert [len(found), found[0]["path"]] == [3, path]

    (copy_of_trained / "data/validate/manifest.parquet").unlink()
    refused = classifier.like(embedded["embedding"], 3)
    assert (refused["status"], refused["error"]["code"]) == (409, "not_searchable")
    assert "train" in refused["error"]["remedy"]


def test_photos_are_read_again_only_where_something_changed(trained: Path) -> None:
    latest = LatestPhotos(trained)
    backbone = load_backbone("embedded", models=trained / "models", device="cpu", precision="fp32")

    assert latest.read(backbone) is latest.read(backbone)
