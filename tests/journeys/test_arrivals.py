"""Photos dropped into an inbox become a class that is answered with; whatever else is dropped there is told, and lies."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.bank import Bank
from components.classifier import Bundle
from components.inbox import Inbox, InboxSettings
from components.ingest import decode
from components.live.intake import open_inbox, take_in
from components.live.opening import LiveWorkspace
from components.live.outcome import Taken
from components.live.telling import explain_taken, taken_json
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.drawn_arrivals import LIME, TEAL, cut_off, draw


@dataclass
class Place:
    """A warm workspace with an inbox; each row of the table leaves it as it was."""

    live: LiveWorkspace
    inbox: Inbox
    photos: Path
    outside: Path

    def take(self) -> Taken:
        return take_in(self.inbox, self.inbox.look(), self.live, InboxSettings())

    def live_classes(self) -> tuple[str, ...]:
        version = self.live.versions.current()
        assert version is not None
        return version.classes


@pytest.fixture(scope="module")
def warm(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveWorkspace:
    live = LiveWorkspace.open(Workspace(Path(shutil.copytree(trained, tmp_path_factory.mktemp("warm") / "workspace"))))
    live.warm()
    return live


@pytest.fixture
def place(warm: LiveWorkspace, tmp_path: Path, photo_folder: Path) -> Iterator[Place]:
    (tmp_path / "inbox").mkdir()
    found = Place(warm, Inbox(tmp_path / "inbox"), photo_folder, tmp_path / "outside")
    yield found
    for name in found.live_classes():
        warm.changes.remove(name, warm.stamp())


def one_photo(place: Place) -> None:
    draw(place.inbox.folder / "teal", TEAL, photos=1)


def corrupt(place: Place) -> None:
    draw(place.inbox.folder / "teal", TEAL)
    cut_off(place.inbox.folder / "teal/half.jpg")
    (place.inbox.folder / "teal/empty.png").touch()
    (place.inbox.folder / "teal/Thumbs.db").write_bytes(b"no photo")


def corrupt_alone(place: Place) -> None:
    place.inbox.folder.joinpath("teal").mkdir()
    cut_off(place.inbox.folder / "teal/half.jpg")


def known_photos_under_a_new_name(place: Place) -> None:
    shutil.copytree(place.photos / "train/red", place.inbox.folder / "crimson")


def a_known_class_under_a_new_name(place: Place) -> None:
    for number in range(12):
        draw_photo(place.inbox.folder / f"crimson/{number}.jpg", 450 + number, hue=200)  # as the class red looks


def known_class(place: Place) -> None:
    draw(place.inbox.folder / "red", 200)


def name_of_250_letters(place: Place) -> None:
    draw(place.inbox.folder / ("t" * 250), TEAL)


def name_that_is_no_text(place: Place) -> None:
    draw(place.inbox.folder / os.fsdecode(b"teal\xff"), TEAL)


def emoji(place: Place) -> None:
    draw(place.inbox.folder / "🦊", TEAL)


def slashes(place: Place) -> None:
    draw(place.inbox.folder / "paint/teal", TEAL)


def backslash(place: Place) -> None:
    draw(place.inbox.folder / "paint\\teal", TEAL)


def link_out_of_the_inbox(place: Place) -> None:
    draw(place.outside, TEAL)
    draw(place.inbox.folder / "teal", TEAL)
    (place.inbox.folder / "teal/secret.jpg").symlink_to(place.outside / "0.jpg")


def folder_that_is_a_link(place: Place) -> None:
    draw(place.outside, TEAL)
    (place.inbox.folder / "teal").symlink_to(place.outside)


def beside_the_folders(place: Place) -> None:
    draw(place.inbox.folder, TEAL, photos=1)


def one_bad_class_of_two(place: Place) -> None:
    draw(place.inbox.folder / "teal", TEAL)
    shutil.copytree(place.photos / "train/red", place.inbox.folder / "crimson")


def one_class_written_in_two_ways(place: Place) -> None:
    draw(place.inbox.folder / "rosé", TEAL)
    draw(place.inbox.folder / "rose\N{COMBINING ACUTE ACCENT}", TEAL)


# what is dropped; classes added by it; how many files go to .done and to .rejected; what the reason says
TABLE: list[tuple[Callable[[Place], None], tuple[str, ...], int, int, str]] = [
    (one_photo, ("teal",), 1, 0, ""),
    (corrupt, ("teal",), 4, 2, "teal/half.jpg\n  what: the file is cut off after 400 bytes"),
    (corrupt_alone, (), 0, 1, "the file is cut off"),
    (known_photos_under_a_new_name, (), 0, 8, "4 of its 8 photos belong to the class red"),
    (a_known_class_under_a_new_name, (), 0, 12, "known classes would lose"),
    (known_class, (), 4, 0, ""),
    (name_of_250_letters, (), 0, 4, "the name has 250 letters"),
    (name_that_is_no_text, (), 0, 4, "the name holds '\\udcff'"),
    (emoji, ("🦊",), 4, 0, ""),
    (slashes, (), 0, 4, "it is a folder inside a class's folder"),
    (backslash, (), 0, 4, "the name holds '\\\\'"),
    (link_out_of_the_inbox, ("teal",), 4, 1, "teal/secret.jpg\n  what: it is a link, and links are not followed"),
    (folder_that_is_a_link, (), 0, 1, "lies beside the classes' folders"),
    (beside_the_folders, (), 0, 1, "lies beside the classes' folders"),
    (one_bad_class_of_two, ("teal",), 4, 8, "belong to the class red"),
    (one_class_written_in_two_ways, ("rosé",), 8, 0, ""),
]


@pytest.mark.parametrize(("drop", "added", "done", "rejected", "reason"), TABLE, ids=[row[0].__name__ for row in TABLE])
def test_what_arrives_goes_live_or_is_told_why_not(
    place: Place, drop: Callable[[Place], None], added: tuple[str, ...], done: int, rejected: int, reason: str
) -> None:
    drop(place)

    taken = place.take()

    assert place.live_classes() == added
    files = [path for path in place.inbox.folder.rglob("*") if path.is_symlink() or path.is_file()]
    told = [path for path in files if not path.name.endswith((".txt", ".db"))]  # what systems leave is left
    lies = Counter(path.relative_to(place.inbox.folder).parts[0] for path in told)
    assert lies == Counter({name: n for name, n in ((".done", done), (".rejected", rejected)) if n})
    assert reason in (taken.folders["rejected"] / "reason.txt").read_text() if rejected else not reason
    assert not place.outside.exists() or len(list(place.outside.iterdir())) == 4
    explain_taken(taken).encode()  # can be printed
    json.dumps(taken_json(taken))


def test_the_same_arrival_again_changes_nothing_and_a_class_s_folder_takes_more(place: Place) -> None:
    paths = draw(place.inbox.folder / "teal", TEAL)
    again = [(path.name, path.read_bytes()) for path in paths]
    before = place.take().outcomes[0].change.version
    for name, content in again:
        (place.inbox.folder / "teal" / name).write_bytes(content)

    assert place.take().outcomes[0].change.version == before
    draw(place.inbox.folder / "teal", TEAL, photos=2)
    place.take()
    assert len(place.live.ledger.entries()[-1].photos) == 2


def test_what_is_nobodys_mistake_leaves_all_in_the_inbox(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(place.inbox.folder / "teal", TEAL)

    def full(content: bytes) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.live.photos, "keep", full)
    with pytest.raises(OSError, match="No space"):
        place.take()
    monkeypatch.undo()
    assert len(place.inbox.look()[0].found) == 4
    place.take()
    assert place.live_classes() == ("teal",)


def test_what_cannot_be_moved_is_live_once_and_its_removal_is_not_undone(place: Place) -> None:
    draw(place.inbox.folder / "teal", TEAL)
    (place.inbox.folder / ".done").write_text("in the way")

    taken = place.take()
    assert place.live_classes() == ("teal",)
    assert "not moved out of teal" in explain_taken(taken)
    assert place.inbox.look() == []
    place.live.changes.remove("teal", place.live.stamp())
    assert Inbox(place.inbox.folder).look() == []
    assert place.live_classes() == ()


def test_one_that_fails_beside_good_ones_is_told_and_they_are_live(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(place.inbox.folder / "teal", TEAL)
    (bad,) = draw(place.inbox.folder / "lime", LIME, photos=1)
    content, keep = bad.read_bytes(), place.live.photos.keep

    def broken_disk(photo: bytes) -> str:
        if photo == content:
            raise OSError(5, "Input/output error")
        return keep(photo)

    monkeypatch.setattr(place.live.photos, "keep", broken_disk)
    taken = place.take()
    assert place.live_classes() == ("teal",)
    assert (taken.refused, taken.refused_photos) == ({}, {})
    assert {name: str(error) for name, error in taken.failed.items()} == {"lime": "[Errno 5] Input/output error"}
    assert [arrival.name for arrival in place.inbox.look()] == ["lime"]
    monkeypatch.undo()
    place.take()
    assert place.live_classes() == ("teal", "lime")


def test_what_looks_unfinished_is_left_and_taken_once_it_is_whole(place: Place) -> None:
    whole = {path.name: path.read_bytes() for path in draw(place.inbox.folder / "teal", TEAL, photos=6)}
    photos = place.inbox.folder / "teal"
    pieces = dict(zip(whole, (b"", whole["1.jpg"][:700], bytes(900), whole["3.jpg"][:900] + bytes(300)), strict=False))
    for name, piece in pieces.items():
        (photos / name).write_bytes(piece)

    def take() -> Taken:
        arrivals = [replace(each, young=frozenset(found.path for found in each.found)) for each in place.inbox.look()]
        return take_in(place.inbox, arrivals, place.live, InboxSettings())

    taken = take()
    assert sorted(found.path.name for found in taken.unfinished) == sorted(pieces)
    assert (taken.refused_photos, taken.refused) == ({}, {})
    assert "left for now: teal/0.jpg: the file is empty" in explain_taken(taken)
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == pieces
    assert len(place.live.ledger.entries()[-1].photos) == 2

    for name in pieces:
        (photos / name).write_bytes(whole[name])
    assert take().unfinished == {}
    assert place.inbox.look() == []
    assert len(place.live.ledger.entries()[-1].photos) == 4
    assert not (place.inbox.folder / ".rejected").exists()


def test_photos_of_a_trained_class_that_do_not_fit_are_told(place: Place) -> None:
    draw(place.inbox.folder / "red", 200, photos=2)
    odd = place.inbox.folder / "red/odd.jpg"
    draw_photo(odd, 4999, hue=150)

    taken = place.take()
    (misfit,) = taken.outcomes[0].misfits
    assert (misfit.class_name, misfit.taken_for) == ("red", "blue")
    assert f"fits least: {odd}, taken for blue; is its label right?" in explain_taken(taken)
    assert taken_json(taken)["outcomes"][0]["misfits"] == [{"class": "red", "path": str(odd), "taken_for": "blue"}]
    place.live.changes.remove("red", place.live.stamp())


def test_of_a_near_twin_the_other_s_path_is_named(place: Place) -> None:
    paths = draw(place.inbox.folder / "teal", TEAL)
    with Image.open(paths[0]) as image:
        image.resize((80, 60)).save(paths[0].with_name("again.png"))
    with Image.open(next((place.photos / "train/red").iterdir())) as image:
        image.save(paths[0].with_name("strange.png"))

    told = explain_taken(place.take())
    assert f"nearly the same picture: {paths[0].with_name('again.png')} and {paths[0]}" in told
    assert re.search(r"strange.png and data/raw/train/red/\d+.jpg, a photo of red", told)


def test_a_photo_is_decoded_once_and_what_is_live_is_loaded_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(place.inbox.folder / "teal", TEAL)
    place.live.versions._loaded = None
    counted: Counter[str] = Counter()

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            counted[name] += 1
            return real(*arguments, **options)

        return call

    monkeypatch.setattr(decode, "decode", counting("decoded", decode.decode))
    monkeypatch.setattr(Bundle, "load", counting("bundle", Bundle.load))
    monkeypatch.setattr(Bank, "load", counting("bank", Bank.load))
    place.take()
    assert place.live_classes() == ("teal",)
    assert counted == {"decoded": 4, "bundle": 1, "bank": 2}  # what was live, and what is


def test_an_inbox_is_not_where_the_workspace_keeps_photos(copy_of_trained: Path) -> None:
    workspace = Workspace(copy_of_trained)
    for folder in (workspace.raw, workspace.arrivals, copy_of_trained):
        with pytest.raises(Exception, match="lie in one another"):
            open_inbox(workspace, folder)
