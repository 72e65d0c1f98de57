"""Photos into a workspace."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.errors import UserInputError
from components.ingest import IngestSettings, copy_photos, copying, ingest, unreadable_paths

Draw = Callable[..., Path]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "workspace" / "data" / "raw"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_the_layout_names_is_copied_and_nothing_else(two_classes: Path, raw: Path) -> None:
    (two_classes / "README.md").write_text("x")
    (two_classes / "classes.csv").write_text("folder,name\ncrack,fissure\n")
    (two_classes / "crack" / ".DS_Store").write_text("x")
    (two_classes / "crack" / "notes.txt").write_text("x")
    told: list[tuple[int, int]] = []
    assert copy_photos(two_classes, raw, progress=lambda done, total: told.append((done, total))) is None
    expected = tree(two_classes)
    del expected["README.md"], expected["crack/.DS_Store"]
    assert tree(raw) == expected
    assert told[-1] == (8, 8)


def test_links_that_ingest_refuses_go_along_as_links(two_classes: Path, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (two_classes / "crack" / "out.png").symlink_to(tmp_path / "secret.png")
    (two_classes / "crack" / "broken.png").symlink_to("nothing.png")
    (two_classes / "pit" / "inside.png").symlink_to("0.png")
    for _ in range(2):  # the second time nothing is new
        copy_photos(two_classes, raw)
    assert (raw / "crack" / "out.png").is_symlink()
    assert (raw / "crack" / "broken.png").is_symlink()
    assert not (raw / "pit" / "inside.png").is_symlink()
    assert unreadable_paths(raw) == ["crack/broken.png", "crack/out.png"]
    reasons = ingest(raw, settings=IngestSettings()).quarantine.to_pylist()
    assert {(row["path"], row["reason"]) for row in reasons} >= {
        ("crack/out.png", "outside_root"),
        ("crack/broken.png", "missing"),
    }


def test_a_list_chooses_its_photos(two_classes: Path, raw: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (two_classes / name).write_text("path,class\ncrack/0.png,x\npit/0.png,y\npit/gone.png,y\n")
    copy_photos(two_classes / "b.csv", raw)
    assert sorted(tree(raw)) == ["b.csv", "crack/0.png", "pit/0.png"]
    found = ingest(raw, settings=IngestSettings())
    assert found.layout == "manifest"
    assert found.quarantine["reason"].to_pylist() == ["missing"]


def test_a_list_may_lie_in_the_workspace_and_its_photos_beside_the_photo_folder(two_classes: Path, raw: Path) -> None:
    raw.mkdir(parents=True)
    workspace = raw.parents[1]
    two_classes.rename(workspace / "photos")
    listing = workspace / "mine.csv"
    listing.write_text("path,class\nphotos/crack/0.png,crack\nphotos/pit/0.png,pit\n")

    copy_photos(listing, raw)

    assert sorted(tree(raw)) == ["mine.csv", "photos/crack/0.png", "photos/pit/0.png"]
    (workspace / "no list.txt").write_text("hello")
    with pytest.raises(UserInputError, match="list") as caught:
        copy_photos(workspace / "no list.txt", raw)
    assert "photo folder" not in caught.value.what


def test_the_same_photos_again_touch_nothing_and_new_ones_are_added(two_classes: Path, raw: Path, draw: Draw) -> None:
    copy_photos(two_classes, raw)
    before = {path: path.stat().st_ino for path in raw.rglob("*")}
    draw(two_classes / "crack" / "new.png", 50)
    assert copy_photos(two_classes, raw) is None
    assert copy_photos(raw, raw) is None
    after = {path: path.stat().st_ino for path in raw.rglob("*")}
    assert after.keys() - before.keys() == {raw / "crack" / "new.png"}
    assert {path: after[path] for path in before} == before


def test_other_photos_are_only_replaced_when_told_and_are_kept(two_classes: Path, raw: Path) -> None:
    copy_photos(two_classes, raw)
    first = tree(raw)
    (two_classes / "crack" / "0.png").unlink()
    with pytest.raises(UserInputError, match="--replace"):
        copy_photos(two_classes, raw)
    assert tree(raw) == first
    aside = copy_photos(two_classes, raw, replace=True)
    assert aside is not None
    assert tree(aside) == first
    assert "crack/0.png" not in tree(raw)


def test_what_cannot_be_copied_is_refused_before_anything_is(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no such folder"):
        copy_photos(tmp_path / "nowhere", raw)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserInputError, match="neither class folders nor a list"):
        copy_photos(tmp_path / "empty", raw)
    assert not raw.exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_copy_that_breaks_off_leaves_what_was_there_and_nothing_half_copied(
    two_classes: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def break_off(done: int, total: int) -> None:
        if done == 3:
            raise error

    with pytest.raises(type(error)):
        copy_photos(two_classes, raw, progress=break_off)
    assert not raw.exists()

    copy_photos(two_classes, raw)
    first = tree(raw)
    (two_classes / "crack/0.png").rename(two_classes / "crack/other.png")
    with pytest.raises(type(error)):
        copy_photos(two_classes, raw, replace=True, progress=break_off)
    assert tree(raw) == first
    assert not raw.with_name("raw.1").exists()

    aside = copy_photos(two_classes, raw, replace=True)
    assert aside is not None
    assert tree(aside) == first
    assert "crack/other.png" in tree(raw)
    assert sorted(path.name for path in raw.parent.iterdir()) == ["raw", "raw.1"]


def test_what_an_earlier_copy_left_is_not_taken_for_photos(two_classes: Path, raw: Path) -> None:
    beside = raw.with_name(".raw.copying")
    (beside / "crack").mkdir(parents=True)
    (beside / "crack/of another.png").write_bytes(b"x")
    (beside / "crack/0.png").write_bytes(b"half")
    copy_photos(two_classes, raw)
    assert tree(raw) == tree(two_classes)


def test_a_full_disk_and_a_folder_that_cannot_be_moved_are_told_first(
    two_classes: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(UserInputError, match="nothing was copied"):
        copy_photos(two_classes, raw)
    assert not raw.parent.exists()
    monkeypatch.undo()

    copy_photos(two_classes, raw)
    before = tree(raw.parent)
    (two_classes / "crack/0.png").unlink()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == raw)
    with pytest.raises(UserInputError, match="a disk of its own"):
        copy_photos(two_classes, raw, replace=True)
    assert tree(raw.parent) == before
