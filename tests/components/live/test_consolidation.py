"""Photos on their way into data/raw: whoever comes after a kill finds them all there or not at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.bank import ArrivalPhotos, Ledger, LedgerEntry
from components.errors import UserInputError
from components.live import consolidation
from components.live.consolidation import Consolidation
from tests.conftest import draw_photo
from tests.support.stories import tree_digest

LIST = "path,class\n" + "".join(f"{name}/{number}.jpg,{name}\n" for name in ("crack", "pit") for number in range(2))


class Place:
    """Photos of two classes in data/raw, and three arrivals: two of rust, one of pit."""

    def __init__(self, root: Path, *, listed: bool) -> None:
        self.raw = root / "data/raw"
        for name in ("crack", "pit"):
            for number in range(2):
                draw_photo(self.raw / name / f"{number}.jpg", number, hue=len(name) * 20)
        if listed:
            (self.raw / "list.csv").write_text(LIST)
        self.photos = ArrivalPhotos(root / "data/arrivals/photos")
        self.ledger = Ledger(root / "data/arrivals/ledger.jsonl")
        kept = []
        for number in range(3):
            draw_photo(root / "new.jpg", 50 + number, hue=120)
            kept.append(self.photos.keep((root / "new.jpg").read_bytes()))
        self.moved = {"rust": kept[:2], "pit": kept[2:]}

    def open(self) -> Consolidation:
        return Consolidation(self.raw, self.photos, self.ledger, "auto")

    def count(self) -> None:
        """As the ledger says that they are consolidated."""
        with self.ledger.turn():
            self.ledger.append([LedgerEntry("consolidate", "anna", "2026-01-01T00:00:00+00:00", "v", name="rust")])


@pytest.fixture(params=[False, True], ids=["folders", "list"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(tmp_path, listed=request.param)


class KilledError(BaseException):
    pass


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> Callable[..., None]:
    """Let `name` of the room die at its so-manieth call, half-way through."""
    real, calls = getattr(consolidation, name), iter(range(call))

    def die(path: Path, content: object) -> None:
        if next(calls, None) is None:
            (path.parent).mkdir(exist_ok=True)
            (path.parent / f".{path.name}.half{path.suffix}").write_bytes(b"half")
            raise KilledError
        real(path, content)

    monkeypatch.setattr(consolidation, name, die)
    return die


def test_what_is_placed_and_counts_stays(place: Place) -> None:
    moving = place.open()
    before = tree_digest(place.raw)
    with moving.turn():
        assert moving.place(place.moved) == 3
        assert moving.unsettled
        place.count()
        assert place.open().settle()
        moving.done()
    assert not moving.unsettled
    assert len(tree_digest(place.raw)) == len(before) + 3
    assert {path.stem for path in (place.raw / "rust").iterdir()} == set(place.moved["rust"])
    with moving.turn():
        assert moving.place(place.moved) == 0
        assert not moving.settle()
    assert len(tree_digest(place.raw)) == len(before) + 3


@pytest.mark.parametrize("call", range(4))
def test_killed_while_it_copies_everything_is_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    before = tree_digest(place.raw)
    with monkeypatch.context() as patch:
        killed_at(patch, "write_bytes", call)
        moving = place.open()
        try:
            with moving.turn():
                moving.place(place.moved)
        except KilledError:
            pass
        else:
            assert call == 3
            assert not (place.raw / "list.csv").is_file()  # with a list there are four writes, without three
    assert moving.unsettled
    assert tree_digest(place.raw) != before

    later = place.open()
    with later.turn():
        assert not later.settle()

    assert tree_digest(place.raw) == before
    assert not (place.raw / "rust").exists()
    assert not later.unsettled
    assert len(place.photos.files([photo for photos in place.moved.values() for photo in photos])) == 3


def test_killed_while_it_takes_back_the_next_one_does(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree_digest(place.raw)
    moving = place.open()
    with moving.turn():
        moving.place(place.moved)
        with monkeypatch.context() as patch:
            unlink, calls = Path.unlink, iter(range(1))

            def die(path: Path, missing_ok: bool = False) -> None:
                if next(calls, None) is None:
                    raise KilledError
                unlink(path, missing_ok)

            patch.setattr(Path, "unlink", die)
            with pytest.raises(KilledError):
                moving.settle()
        assert moving.unsettled
        assert not moving.settle()
    assert tree_digest(place.raw) == before


def test_a_class_that_the_folder_cannot_hold_leaves_nothing(place: Place) -> None:
    before = tree_digest(place.raw)
    moving = place.open()
    name = "__MACOSX"
    if (place.raw / "list.csv").is_file():
        return  # a list says what is what, whatever a folder is called
    with moving.turn(), pytest.raises(UserInputError, match="would not be a photo of __MACOSX"):
        moving.place({name: place.moved["rust"]})
    assert tree_digest(place.raw) == before
    assert not moving.unsettled


def test_a_list_that_was_edited_since_is_not_overwritten(tmp_path: Path) -> None:
    place = Place(tmp_path, listed=True)
    moving = place.open()
    with moving.turn():
        moving.place(place.moved)
        (place.raw / "list.csv").write_text("mine")
        with pytest.raises(UserInputError, match="was edited during a consolidation"):
            moving.settle()
    assert (place.raw / "list.csv").read_text() == "mine"


def test_two_at_once_and_what_must_wait_for_it_are_told(place: Place) -> None:
    first, second = place.open(), place.open()
    first.require_settled()
    with first.turn(), ThreadPoolExecutor(1) as elsewhere:
        with first.turn():  # whoever has the turn goes on
            pass
        with pytest.raises(UserInputError, match="another training, consolidation or stage"):
            elsewhere.submit(second.turn().__enter__).result()
        first.place(place.moved)
        with pytest.raises(UserInputError, match="under way, or was cut off"):
            second.require_settled()
