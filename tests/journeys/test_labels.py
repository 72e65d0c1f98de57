"""A wrong label is put right, and a whole training follows the word; no photo is moved or lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.artefacts import PhotoTables
from components.live import Versions
from components.workspace import Workspace
from tests.support.stories import CLASSES, Run


def classes_of_photos(place: Workspace) -> dict[str, str]:
    rows = PhotoTables(place.validated).manifest(["path", "class"]).to_pylist()
    return {row["path"]: row["class"] for row in rows}


@pytest.mark.soak
def test_a_training_counts_a_relabelled_photo_in_its_new_class(copy_of_trained: Path, run_command: Run) -> None:
    place = Workspace(copy_of_trained)
    place.set_parameters({"classifier.heads": ["nearest_mean"]})
    before = classes_of_photos(place)
    wrong, right = CLASSES[:2]
    path = next(path for path, label in before.items() if label == wrong and path.startswith("train/"))

    run_command("shotline", "relabel", f"data/raw/{path}", right, cwd=place.root)
    run_command("shotline", "train", "--shots", "12", "--plain", cwd=place.root)

    assert classes_of_photos(place) == {**before, path: right}
    assert (place.raw / path).is_file()
    listed = run_command("shotline", "classes", "--json", cwd=place.root).stdout.splitlines()
    photos = {row["class"]: row["photos"] for row in map(json.loads, listed)}
    assert photos == {**dict.fromkeys(CLASSES, 8), wrong: 7, right: 9}
    versions = Versions(place.live)
    photo = next(
        row["id"] for row in PhotoTables(place.validated).manifest(["id", "path"]).to_pylist() if row["path"] == path
    )
    bundle, _ = versions.load(versions.in_use())
    assert [name for name, of_class in bundle.split.items() if photo in of_class] == [right]
