"""The tables that come out, and that they depend on the photos and the settings alone."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from pydantic import ValidationError

from components.ingest import Ingested, IngestSettings, ingest
from components.ingest.tables import CLASSES, MANIFEST, QUARANTINE, SAMPLE

Draw = Callable[..., Path]


def read(root: Path, **settings: object) -> Ingested:
    return ingest(root, settings=IngestSettings(**settings))  # type: ignore[arg-type]


def reasons(found: Ingested) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in found.quarantine.to_pylist()}


def test_the_tables_say_what_the_files_are(two_classes: Path, draw: Draw) -> None:
    path = draw(two_classes / "crack" / "turned.jpg", 40, "JPEG", exif=turned())
    found = read(two_classes)
    assert found.manifest.schema == MANIFEST
    assert found.quarantine.schema == QUARANTINE
    assert found.sample.schema == SAMPLE
    assert found.classes.schema == CLASSES
    ids = found.manifest["id"].to_pylist()
    assert ids == sorted(ids)
    (row,) = [row for row in found.manifest.to_pylist() if row["path"] == "crack/turned.jpg"]
    content = path.read_bytes()
    assert row["id"] == row["group"] == hashlib.sha256(content).hexdigest()
    assert (row["class"], row["name"], row["split"], row["mode"]) == ("crack", "crack", None, "RGB")
    assert (row["width"], row["height"], row["bytes"]) == (48, 64, len(content))
    assert row["error"] is None
    assert found.classes.to_pylist()[1] == {"class": "pit", "name": "pit", "description": None, "named_by": "folder"}


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_bad_files_go_to_quarantine_and_stay_where_they_are(two_classes: Path, encoded: Callable[..., bytes]) -> None:
    bad = {
        "crack/empty.jpg": (b"", "zero_byte"),
        "crack/cut.png": (encoded(20)[:500], "truncated"),
        "crack/notes.md": (b"# Tuesday", "not_an_image"),
        "pit/broken.jpg": (b"no photo", "unreadable"),
        "pit/small.png": (encoded(21, size=(8, 8)), "too_small"),
        "pit/many_pixels.png": (encoded(22, size=(400, 300)), "oversized"),
    }
    for name, (content, _) in bad.items():
        (two_classes / name).write_bytes(content)
    found = read(two_classes, max_pixels=100_000)
    assert reasons(found) == {name: reason for name, (_, reason) in bad.items()}
    assert all(row["detail"] and row["class"] in ("crack", "pit") for row in found.quarantine.to_pylist())
    assert found.manifest.num_rows == 6
    assert {name: (two_classes / name).read_bytes() for name in bad} == {
        name: content for name, (content, _) in bad.items()
    }


def test_what_a_list_names_and_is_not_there_is_quarantined(two_classes: Path) -> None:
    (two_classes / "manifest.csv").write_text("path,class\ncrack/0.png,a\npit/0.png,b\npit/gone.png,b\npit,b\n")
    assert reasons(read(two_classes)) == {"pit/gone.png": "missing", "pit": "unreadable"}


def test_a_class_that_lost_every_photo_is_told(two_classes: Path) -> None:
    (two_classes / "stain").mkdir()
    (two_classes / "stain" / "1.jpg").write_bytes(b"")
    (two_classes / "dent").mkdir()
    found = read(two_classes)
    assert found.classes["class"].to_pylist() == ["crack", "pit"]
    assert {note.code: note.message.split()[0] for note in found.notes} == {
        "empty_class": "dent/",
        "lost_class": "every",
    }


def test_duplicates_in_a_class_keep_the_first_by_path(two_classes: Path, draw: Draw) -> None:
    draw(two_classes / "crack" / "again.png", 0)
    draw(two_classes / "crack" / "zz.png", 0)
    found = read(two_classes)
    assert reasons(found) == {"crack/again.png": "duplicate", "crack/zz.png": "duplicate"}
    assert "crack/0.png" in found.manifest["path"].to_pylist()


def test_a_photo_under_two_classes_is_used_under_neither(two_classes: Path, draw: Draw) -> None:
    draw(two_classes / "pit" / "same.png", 0)
    found = read(two_classes)
    assert reasons(found) == {"crack/0.png": "duplicate_across_classes", "pit/same.png": "duplicate_across_classes"}
    assert "crack and pit (pit/same.png)" in found.quarantine["detail"][0].as_py()


@pytest.mark.parametrize(
    ("splits", "stays"),
    [
        (("train", "test"), "test"),
        (("train", "val"), "val"),
        (("val", "test"), "test"),
        (("train", "val", "test"), "test"),
    ],
)
def test_a_photo_in_several_splits_stays_where_it_measures(
    tmp_path: Path, draw: Draw, splits: tuple[str, ...], stays: str
) -> None:
    for seed, label in enumerate(("crack", "pit")):
        for other in range(2):
            draw(tmp_path / "train" / label / f"{other}.png", 10 * seed + other)
    for split in splits:
        draw(tmp_path / split / "crack" / "same.png", 99)
    found = read(tmp_path)
    assert reasons(found) == {
        f"{split}/crack/same.png": "duplicate_across_splits" for split in splits if split != stays
    }
    assert all(f"{stays}/crack/same.png" in row["detail"] for row in found.quarantine.to_pylist())
    assert f"{stays}/crack/same.png" in found.manifest["path"].to_pylist()


def test_near_duplicates_share_a_group_and_stay(two_classes: Path, picture: Callable[..., Image.Image]) -> None:
    draw_size = (320, 240)
    original = picture(5, draw_size)
    original.save(two_classes / "crack" / "near_a.png")
    original.save(two_classes / "crack" / "near_b.jpg", quality=40)
    original.resize((160, 120)).save(two_classes / "crack" / "near_c.webp", quality=60)
    original.point(lambda value: value * 0.7).save(two_classes / "crack" / "near_d.png")
    found = read(two_classes)
    assert found.quarantine.num_rows == 0
    group = {row["path"]: row["group"] for row in found.manifest.to_pylist()}
    sizes = Counter(group.values())
    assert sizes[group["crack/near_a.png"]] == 4
    assert len({group[f"crack/near_{name}"] for name in ("a.png", "b.jpg", "c.webp", "d.png")}) == 1
    assert len(sizes) == 7  # six others, each alone


def test_blur_tells_crisp_from_blurred(two_classes: Path) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (16, 20), dtype=np.uint8)
    crisp = Image.fromarray(np.kron(blocks, np.ones((10, 10), np.uint8)))
    crisp.save(two_classes / "crack" / "crisp.png")
    crisp.filter(ImageFilter.GaussianBlur(1)).save(two_classes / "crack" / "soft.png")
    crisp.filter(ImageFilter.GaussianBlur(4)).save(two_classes / "crack" / "softer.png")
    Image.new("L", (200, 160), 90).save(two_classes / "crack" / "flat.png")
    blur = {row["path"]: row["blur"] for row in read(two_classes).manifest.to_pylist()}
    crisp_to_flat = [blur[f"crack/{name}.png"] for name in ("crisp", "soft", "softer", "flat")]
    assert crisp_to_flat == sorted(crisp_to_flat)
    assert crisp_to_flat[0] < 0.2
    assert crisp_to_flat[2] > 0.6
    assert crisp_to_flat[3] == 1.0


def test_the_result_does_not_depend_on_workers_or_on_the_order_of_files(tmp_path: Path, draw: Draw) -> None:
    names = [(label, number) for label in ("crack", "pit", "stain") for number in range(15)]
    roots = [tmp_path / "a", tmp_path / "b"]
    for root, order in zip(roots, (names, random.Random(1).sample(names, len(names))), strict=True):
        for label, number in order:
            draw(root / label / f"{number}.png", 100 * ("crack", "pit", "stain").index(label) + number)
    one = ingest(roots[0], settings=IngestSettings(shots=4), workers=1)
    other = ingest(roots[1], settings=IngestSettings(shots=4), workers=3)
    assert one == other


def test_every_file_is_decoded_once(two_classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.ingest import decode, manifest

    seen: list[str] = []

    def counting(content: bytes, limits: decode.Limits, *, name: str, at_least_px: int | None = None) -> decode.Decoded:
        seen.append(name)
        return decode.decode(content, limits, name=name, at_least_px=at_least_px)

    monkeypatch.setattr(manifest, "decode", counting)
    read(two_classes)
    assert sorted(seen) == sorted(f"{label}/{n}.png" for label in ("crack", "pit") for n in range(3))


def test_progress_counts_every_file(two_classes: Path) -> None:
    told: list[tuple[int, int]] = []
    ingest(two_classes, settings=IngestSettings(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (6, 6)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shots": -1},
        {"shots": "16"},
        {"shots": True},
        {"shot": 4},
        {"max_pixels": 10**9},  # above Pillow's own guard it would not hold
        {"near_duplicate": 0.2},
        {"since": "last May"},
        {"since": "2026-01-01"},
    ],
)
def test_settings_are_refused_before_any_work(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        IngestSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("shots", "given", "used"), [(16, None, 4), (1, None, 1), (0, None, 0), (16, 8, 8), (2, 0, 0)])
def test_few_shots_have_few_validation_photos(shots: int, given: int | None, used: int) -> None:
    assert IngestSettings(shots=shots, validation_shots=given).validation_shots_used == used
