"""What cannot be used is told by name and counted, and never stops the rest; what systems left is passed over."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.ingest import Ingested, IngestSettings, copy_photos, ingest, unreadable_paths
from components.ingest.left_out import write_left_out
from components.ingest.sources import Rejected

Draw = Callable[..., Path]
Build = Callable[[Path, Draw], None]


def read(root: Path) -> Ingested:
    return ingest(root, settings=IngestSettings())


def quarantined(found: Ingested) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in found.quarantine.to_pylist()}


def as_bytes(folder: Path, name: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


@pytest.fixture
def locked(two_classes: Path) -> Iterator[Callable[[Path, int], Path]]:
    """Set a mode, and give permissions back when the test is over."""
    changed: list[Path] = []

    def lock(path: Path, mode: int) -> Path:
        changed.append(path)
        path.chmod(mode)
        return path

    yield lock
    for path in reversed(changed):
        path.chmod(0o755)


LEFT_BEHIND = [
    "@eaDir/x.jpg/SYNOPHOTO_THUMB_M.jpg",
    "#recycle/x.jpg",
    "@Recycle/x.jpg",
    "$RECYCLE.BIN/x.jpg",
    "lost+found/x.jpg",
    "x.jpg:Zone.Identifier",
    "Thumbs.db",
    "System Volume Information/x.jpg",
    "x.xmp",
    ".Trash-1000/x.jpg",
]


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_systems_leave_is_passed_over_quietly(name: str, two_classes: Path, draw: Draw) -> None:
    draw(two_classes / "crack" / name, 50)
    if "/" in name:
        draw(two_classes / name, 51)
    found = read(two_classes)
    assert found.manifest.num_rows == 6
    assert found.quarantine.num_rows == 0
    assert found.notes == ()


def linked_class(root: Path, draw: Draw) -> None:
    draw(root.parent / "elsewhere" / "1.png", 60)
    (root / "odd").symlink_to(root.parent / "elsewhere")


def linked_class_within(root: Path, draw: Draw) -> None:
    (root / "odd").symlink_to("crack")


def class_linked_to_nothing(root: Path, draw: Draw) -> None:
    (root / "odd").symlink_to("nowhere")


def class_linked_to_itself(root: Path, draw: Draw) -> None:
    (root / "odd").symlink_to("odd")


LINKS = [linked_class, linked_class_within, class_linked_to_nothing, class_linked_to_itself]


@pytest.mark.parametrize("build", LINKS)
def test_a_class_folder_that_is_a_link_is_told(build: Build, two_classes: Path, tmp_path: Path, draw: Draw) -> None:
    build(two_classes, draw)
    told: list[str] = []
    copy_photos(two_classes, tmp_path / "raw", told=told.append)
    assert "odd" in told[0]
    for root in (two_classes, tmp_path / "raw"):
        found = read(root)
        assert "odd" in quarantined(found)
        assert any(note.code == "lost_class" and "odd" in note.message for note in found.notes)
        assert found.manifest.num_rows == 6


@pytest.mark.usefixtures("modes_bite")
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
@pytest.mark.parametrize("folder", ["odd", "crack/odd"])
def test_a_folder_that_may_not_be_read_is_told(
    mode: int, folder: str, two_classes: Path, tmp_path: Path, draw: Draw, locked: Callable[[Path, int], Path]
) -> None:
    draw(two_classes / folder / "1.png", 60)
    locked(two_classes / folder, mode)
    told: list[str] = []
    copy_photos(two_classes, tmp_path / "raw", told=told.append)
    assert folder in told[0]
    for root in (two_classes, tmp_path / "raw"):
        found = read(root)
        (path, reason), *_ = quarantined(found).items()
        assert path.startswith(folder)
        assert reason == "unreadable"
        assert found.manifest.num_rows == 6
    assert unreadable_paths(two_classes.resolve())


def locked_photo(root: Path, draw: Draw) -> None:
    draw(root / "crack" / "odd.png", 60).chmod(0o000)


def name_that_is_no_text(root: Path, draw: Draw) -> None:
    draw(as_bytes(root / "crack", b"caf\xe9.png"), 60)


def link_that_is_no_text(root: Path, draw: Draw) -> None:
    as_bytes(root / "crack", b"caf\xe9.png").symlink_to("0.png")


def folder_that_is_no_text(root: Path, draw: Draw) -> None:
    draw(as_bytes(root / "crack", b"caf\xe9") / "1.png", 60)


def class_that_is_no_text(root: Path, draw: Draw) -> None:
    draw(as_bytes(root, b"caf\xe9") / "1.png", 60)


def pipe(root: Path, draw: Draw) -> None:
    os.mkfifo(root / "crack" / "odd.png")


def socket_of_a_program(root: Path, draw: Draw) -> None:
    # a socket's path may have 107 bytes only
    descriptor = os.open(root / "crack", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{descriptor}/odd.png")
    os.close(descriptor)


ODD_FILES = {
    locked_photo: "unreadable",
    name_that_is_no_text: "bad_name",
    link_that_is_no_text: "bad_name",
    folder_that_is_no_text: "bad_name",
    class_that_is_no_text: "bad_name",
    pipe: "unreadable",
    socket_of_a_program: "unreadable",
}


@pytest.mark.usefixtures("modes_bite")
@pytest.mark.parametrize("build", ODD_FILES)
def test_a_file_that_cannot_be_read_stops_nothing(build: Build, two_classes: Path, tmp_path: Path, draw: Draw) -> None:
    build(two_classes, draw)
    copy_photos(two_classes, tmp_path / "raw", told=lambda _: None)
    for root in (two_classes, tmp_path / "raw"):
        found = read(root)
        assert list(quarantined(found).values()) == [ODD_FILES[build]]
        assert found.manifest.num_rows == 6
    assert len(unreadable_paths(two_classes.resolve())) == 1


def test_a_name_as_long_as_names_can_be_is_copied_and_read(two_classes: Path, tmp_path: Path, draw: Draw) -> None:
    for name in ("n" * 246 + ".png", "ä" * 125 + ".png", "n" * 251 + ".png"):
        draw(two_classes / "crack" / name, len(name))
    copy_photos(two_classes, tmp_path / "raw")
    assert read(tmp_path / "raw").manifest.num_rows == 9


def test_what_was_left_out_is_forgotten_once_it_is_there(two_classes: Path, tmp_path: Path, draw: Draw) -> None:
    pipe(two_classes, draw)
    raw = tmp_path / "raw"
    copy_photos(two_classes, raw)
    assert quarantined(read(raw)) == {"crack/odd.png": "unreadable"}
    (two_classes / "crack" / "odd.png").unlink()
    draw(two_classes / "crack" / "odd.png", 60)
    copy_photos(two_classes, raw)
    assert read(raw).quarantine.num_rows == 0


def test_photos_beside_classes_and_in_hidden_folders_are_told(two_classes: Path, tmp_path: Path, draw: Draw) -> None:
    draw(two_classes / "loose.png", 60)
    draw(two_classes / ".45 calibre" / "1.png", 61)
    found = read(two_classes)
    assert [note.code for note in found.notes] == ["loose_photos", "hidden_folder"]
    told: list[str] = []
    copy_photos(two_classes, tmp_path / "raw", told=told.append)
    assert told == [note.message for note in found.notes]


@pytest.mark.usefixtures("modes_bite")
def test_a_photo_folder_that_may_not_be_read_is_the_users_mistake(
    two_classes: Path, locked: Callable[[Path, int], Path]
) -> None:
    locked(two_classes, 0o000)
    with pytest.raises(UserInputError, match="cannot be listed"):
        read(two_classes)


def test_a_file_that_a_copy_left_out_is_told_once(two_classes: Path) -> None:
    write_left_out(two_classes, [Rejected("crack/9.png", "crack", None, "unreadable", "its disk failed")])

    assert read(two_classes).quarantine["path"].to_pylist() == ["crack/9.png"]
