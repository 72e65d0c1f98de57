"""An inbox's arrivals under fault: live or refused with a reason, none twice, and the ledger comes to what is live."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from components.bank import LedgerEntry
from components.classifier import Bundle
from components.features import Features
from components.files import sha256_file
from components.inbox import Arrival, Inbox, InboxSettings, Settling
from components.live import arrivals
from components.live.changes import Stamp
from components.live.intake import take_in
from components.live.opening import LiveWorkspace
from components.live.outcome import Taken
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.drawn_workspace import draw
from tests.support.live_place import GATE, Place, fitter_for, stamp
from tests.support.saved_bundle import drawn_bundle

SETTINGS = InboxSettings(settle_s=0.001, unfinished_s=0.001)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["gda"])[0]


class Dropped:
    """A workspace with an inbox; photos of a class look alike to it."""

    def __init__(self, root: Path, bundle: Bundle, patch: pytest.MonkeyPatch) -> None:
        self._called: dict[str, str] = {}
        workspace = draw(root / "workspace")
        (workspace.root / "params.yaml").write_text("liteembed: {vocabulary: starter}\n")
        self.place = Place(workspace.root, bundle)
        patch.setattr(LiveWorkspace, "fitter_for", lambda live, of: self._fitter(of))
        patch.setattr(LiveWorkspace, "encode", lambda live, photos, *_: self._features(photos))
        patch.setattr(LiveWorkspace, "stamp", staticmethod(stamp))
        self.live = LiveWorkspace(Workspace(workspace.root))
        self.live.changes._gate = GATE
        (root / "inbox").mkdir()
        self.inbox = Inbox(root / "inbox")

    def drop(self, name: str, *numbers: int, beside: int = 0) -> None:
        for number in numbers:
            path = self.inbox.folder / name / f"{number}.png"
            draw_photo(path, 1000 * beside + number, hue=hash(name) % 256, size=(40, 40))
            self._called[sha256_file(path)] = f"{name}-{number}"

    def take(self) -> Taken:
        with self.inbox.only_one():
            return take_in(self.inbox, self.settled(), self.live, SETTINGS)

    def settled(self) -> list[Arrival]:
        settling = Settling(SETTINGS.settle_s, unfinished_s=SETTINGS.unfinished_s)
        for _ in range(100):
            if found := settling.settled(self.inbox.look()):
                return found
        return []

    def consistent(self, *names: str) -> None:
        """These classes are live, each once, and the ledger comes to what is live."""
        entries: list[LedgerEntry] = self.place.ledger.entries()
        bank = self.live.versions.load(self.live.versions.in_use())[1]
        assert sorted(bank.names) == sorted(names) == sorted(entry.name for entry in entries)
        photos = [photo for entry in entries for photo in entry.photos]
        assert len(photos) == len(set(photos))
        assert all(self.live.photos.path(photo).is_file() for photo in photos)
        assert self.live.versions.entry() == len(entries)
        assert self.live.changes._replayed(self.place.live[0], entries).digest == bank.digest

    def _features(self, photos: Sequence[str]) -> Features:
        return features_of([self._called[photo] for photo in photos])

    def _fitter(self, bundle: Bundle) -> Any:
        fitter = fitter_for(bundle)
        object.__setattr__(fitter, "features_of", self._features)
        return fitter


@pytest.fixture
def dropped(tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Dropped:
    (tmp_path / "workspace").mkdir()
    return Dropped(tmp_path, bundle, monkeypatch)


def fails_at(number: int, code: int) -> Callable[[int], None]:
    real, calls = os.fsync, itertools.count(1)

    def fsync(descriptor: int) -> None:
        if next(calls) >= number:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    return fsync


@pytest.mark.parametrize("writes", [pytest.param(None, marks=pytest.mark.soak), (1, 4)], ids=["each", "some"])
def test_a_disk_that_is_full_at_whatever_write_loses_nothing_and_a_rerun_completes(
    dropped: Dropped, monkeypatch: pytest.MonkeyPatch, writes: Sequence[int] | None
) -> None:
    for number in writes or itertools.count(1):
        name = f"rust{number}"
        dropped.drop(name, 1, 2, beside=number)
        before = [entry.name for entry in dropped.place.ledger.entries()]
        failed = False
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails_at(number, errno.ENOSPC))
            try:
                failed = bool(dropped.take().failed)
            except OSError as error:
                failed = error.errno == errno.ENOSPC
        assert [entry.name for entry in dropped.place.ledger.entries()] in (before, [*before, name])
        dropped.live = LiveWorkspace(Workspace(dropped.place.ledger.path.parents[2]))
        dropped.live.changes._gate = GATE
        dropped.take()
        dropped.consistent(*before, name)
        assert dropped.inbox.look() == []
        if not failed:
            break
    assert failed is (writes is not None)
    assert number > 3  # each: it failed at photos, ledger, version and pointer


def test_a_share_that_goes_away_while_photos_are_read_is_nobodys_mistake(
    dropped: Dropped, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped.drop("rust", 1, 2)

    def gone(*_: object, **__: object) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "read_photo", gone)
        with pytest.raises(OSError, match="Stale"):
            dropped.take()
    assert dropped.place.ledger.entries() == []
    dropped.take()
    dropped.consistent("rust")


def test_a_clock_that_is_set_back_changes_no_order(dropped: Dropped, monkeypatch: pytest.MonkeyPatch) -> None:
    for year, name in (("2026", "rust"), ("2020", "dent"), ("2023", "stain")):
        monkeypatch.setattr(
            LiveWorkspace, "stamp", staticmethod(lambda year=year: Stamp("anna", f"{year}-05-01T00:00:00+00:00"))
        )
        dropped.drop(name, 1, 2, beside=len(name))
        dropped.take()
    dropped.consistent("rust", "dent", "stain")
    pointer = dropped.live.versions.pointer()
    assert pointer is not None
    assert dropped.live.versions.find(pointer.before).classes == ("rust", "dent")
    dropped.live.changes.roll_back(stamp())
    assert dropped.place.live[1].names == ("rust", "dent")


def test_the_same_folder_again_after_a_week_changes_nothing(dropped: Dropped, tmp_path: Path) -> None:
    dropped.drop("rust", 1, 2)
    shutil.copytree(dropped.inbox.folder / "rust", tmp_path / "kept")
    dropped.take()
    version = dropped.live.versions.current()

    shutil.copytree(tmp_path / "kept", dropped.inbox.folder / "rust", dirs_exist_ok=True)
    dropped.take()

    assert dropped.live.versions.current() == version
    dropped.consistent("rust")
    assert dropped.inbox.look() == []


def test_more_photos_than_a_class_may_bring_are_refused_with_the_number(dropped: Dropped) -> None:
    folder = dropped.inbox.folder / "rust"
    folder.mkdir()
    for number in range(2000):
        (folder / f"{number}.jpg").write_bytes(b"photo")
    taken = dropped.take()
    assert "it brings 2000 photos at once; at most 1000 are taken" in taken.refused["rust"].what
    assert dropped.inbox.look() == []
    assert len(list(taken.folders["rejected"].rglob("*.jpg"))) == 2000


@pytest.mark.soak
@pytest.mark.parametrize("count", [50, 200])
def test_many_classes_at_once_are_live_or_refused_and_none_twice(dropped: Dropped, count: int) -> None:
    for number in range(count):
        dropped.drop(f"kind{number}", 1, 2, 3, beside=number)
    taken = dropped.take()

    names = {entry.name for entry in dropped.place.ledger.entries()}
    assert not taken.failed
    assert names | set(taken.refused) == {f"kind{number}" for number in range(count)}
    assert not names & set(taken.refused)
    assert names
    dropped.consistent(*names)
    assert dropped.inbox.look() == []
