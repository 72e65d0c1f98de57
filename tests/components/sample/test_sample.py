import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import UserInputError
from components.sample import CLASSES, SampleClass, draw_photo, draw_sample

FEW = CLASSES[:3]
SMALL = {"train": 2, "test": 1}


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(photo: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(photo)), dtype=np.float64)


def names(classes: Sequence[SampleClass]) -> set[str]:
    return {kind.name for kind in classes}


def test_layout_is_split_class_number(tmp_path: Path) -> None:
    count = draw_sample(tmp_path / "photos", classes=FEW, photos_per_class=SMALL)
    files = files_in(tmp_path / "photos")
    assert count == len(files) == 9
    assert "train/clean_metal/0002.jpg" in files
    assert {name.split("/")[1] for name in files} == names(FEW)


def test_two_folders_hold_the_same_bytes(tmp_path: Path) -> None:
    draw_sample(tmp_path / "a", classes=FEW, photos_per_class=SMALL, seed=3)
    draw_sample(tmp_path / "b", classes=FEW, photos_per_class=SMALL, seed=3)
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")


def test_more_classes_and_photos_change_no_other_photo(tmp_path: Path) -> None:
    draw_sample(tmp_path / "few", classes=FEW[1:], photos_per_class={"train": 1})
    draw_sample(tmp_path / "more", classes=FEW, photos_per_class=SMALL)
    few, more = files_in(tmp_path / "few"), files_in(tmp_path / "more")
    assert few.items() < more.items()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_each_class_is_a_colour_photo_of_256_pixels_with_something_on_it(kind: SampleClass) -> None:
    photo = draw_photo(kind, seed=0, split="train", number=1)
    image = Image.open(io.BytesIO(photo))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (256, 256))
    assert 3_000 < len(photo) < 80_000
    assert 20 < pixels(photo).mean() < 235
    assert pixels(photo).std() > 3


def test_seed_split_number_and_class_each_make_another_photo() -> None:
    photos = {
        draw_photo(CLASSES[0], seed=0, split="train", number=1),
        draw_photo(CLASSES[0], seed=1, split="train", number=1),
        draw_photo(CLASSES[0], seed=0, split="test", number=1),
        draw_photo(CLASSES[0], seed=0, split="train", number=2),
        draw_photo(CLASSES[1], seed=0, split="train", number=1),
    }
    assert len(photos) == 5


def test_a_defect_changes_the_picture_and_not_only_its_noise() -> None:
    sound = SampleClass("metal", CLASSES[0].surface)
    for damaged in (kind for kind in CLASSES if kind.surface is sound.surface and kind.defects):
        # the same name gives both the same surface, light, camera and noise
        twin = SampleClass("metal", damaged.surface, damaged.defects)
        difference = pixels(draw_photo(twin, seed=0, split="t", number=1)) - pixels(
            draw_photo(sound, seed=0, split="t", number=1)
        )
        assert np.abs(difference).max() > 40, damaged.name


def test_names_are_words_and_unique() -> None:
    assert len(names(CLASSES)) == len(CLASSES) >= 12
    assert all(kind.name.replace("_", "").isalpha() and kind.name.islower() for kind in CLASSES)


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_sample(
        tmp_path, classes=FEW[:1], photos_per_class=SMALL, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupted_set_is_completed(tmp_path: Path) -> None:
    draw_sample(tmp_path, classes=FEW[:2], photos_per_class=SMALL)
    whole = files_in(tmp_path)
    kept = tmp_path / "train" / FEW[0].name / "0001.jpg"
    before = kept.stat().st_mtime_ns
    (tmp_path / "test" / FEW[1].name / "0001.jpg").unlink()
    draw_sample(tmp_path, classes=FEW[:2], photos_per_class=SMALL)
    assert files_in(tmp_path) == whole
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["notes.txt", "train/clean_metal/mine.jpg", "train/clean_metal/0001.jpg"])
def test_a_folder_with_somebody_elses_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(UserInputError, match=name) as refused:
        draw_sample(tmp_path, classes=FEW[:1], photos_per_class=SMALL)
    assert refused.value.on == str(tmp_path)
    assert files_in(tmp_path) == {name: b"mine"}


def test_hidden_files_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("/train\n")
    draw_sample(tmp_path, classes=FEW[:1], photos_per_class={"train": 1})
    assert (tmp_path / "train" / FEW[0].name / "0001.jpg").exists()


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("")
    with pytest.raises(UserInputError, match="a file is where"):
        draw_sample(tmp_path / "photos", classes=FEW[:1], photos_per_class=SMALL)


@pytest.mark.parametrize(("classes", "photos"), [((), {"train": 1}), (FEW, {}), (FEW, {"train": 0})])
def test_an_empty_set_is_refused(tmp_path: Path, classes: Sequence[SampleClass], photos: dict[str, int]) -> None:
    with pytest.raises(UserInputError, match="empty"):
        draw_sample(tmp_path, classes=classes, photos_per_class=photos)
