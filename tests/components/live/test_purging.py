"""Photos of classes that are gone are deleted, and what is live is what the ledger comes to without them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from components.classifier import Bundle
from components.errors import UserInputError
from components.live.opening import LiveWorkspace
from components.live.purging import purge, purgeable
from components.workspace import Workspace
from tests.support.drawn_rows import drawn_support
from tests.support.drawn_workspace import draw
from tests.support.live_place import Place, fitter_for, photos_of, stamp
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["gda"])[0]


@pytest.fixture
def place(tmp_path: Path, bundle: Bundle) -> Place:
    return Place(draw(tmp_path).root, bundle)


@pytest.fixture
def live(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveWorkspace:
    monkeypatch.setattr(LiveWorkspace, "fitter_for", lambda live, bundle: fitter_for(bundle))
    return LiveWorkspace(Workspace(tmp_path))


def add(live: LiveWorkspace, name: str, *numbers: int) -> tuple[str, ...]:
    photos = photos_of(name, *numbers)
    for photo in photos:
        live.photos.path(photo).parent.mkdir(parents=True, exist_ok=True)
        live.photos.path(photo).write_bytes(photo.encode())
    live.changes.add({name: photos}, stamp(), force=True)
    return photos


def lying(live: LiveWorkspace) -> set[str]:
    return {path.name for path in live.photos.folder.rglob("*") if path.is_file()}


def test_a_removed_classs_photos_go_and_nothing_else(live: LiveWorkspace, place: Place) -> None:
    dent, rust = add(live, "dent", 1, 2), add(live, "rust", 1, 2)
    with_rust = place.versions.current()
    live.changes.remove("rust", stamp())
    version, pixels = place.versions.current(), place.answers()

    found = purgeable(live)
    assert (found.classes, found.stray, found.refitted) == ({"rust": rust}, (), False)
    assert (found.versions, found.size_bytes) == ((with_rust,), 12)

    assert purge(live, found) == version
    assert lying(live) == {*dent}
    assert place.answers().equal(pixels)
    assert place.replayed().digest == place.live[1].digest
    assert place.versions.entry() == len(place.ledger.entries())
    assert not purgeable(live).classes
    assert with_rust is not None
    with pytest.raises(UserInputError, match="2 photos that the version was made from were purged"):
        live.changes.roll_back(stamp(), with_rust.name)


def test_a_class_that_was_fitted_beside_it_is_fitted_as_if_it_had_never_come(live: LiveWorkspace, place: Place) -> None:
    add(live, "rust", 1, 2)
    dent = add(live, "dent", 1, 2)
    live.changes.remove("rust", stamp())
    before = place.versions.current()

    found = purgeable(live)
    assert found.refitted
    assert before in found.versions
    version = purge(live, found)

    assert lying(live) == {*dent}
    assert place.replayed().digest == place.live[1].digest
    assert place.live[1].names == version.classes == ("dent",)
    # and life goes on: the class comes again, with the same photos
    add(live, "rust", 1, 2)
    assert place.live[1].names == ("dent", "rust")
    assert place.replayed().digest == place.live[1].digest
    live.changes.remove("rust", stamp())
    assert purgeable(live).classes == {"rust": photos_of("rust", 1, 2)}
    purge(live, purgeable(live))
    assert lying(live) == {*dent}


def test_what_is_in_use_waits_or_was_consolidated_stays(live: LiveWorkspace, place: Place) -> None:
    add(live, "cls_00", 7)  # waits for a trained class
    rust = add(live, "rust", 1, 2)
    live.changes.consolidate(place.trained_with(["rust"]), {"rust": rust}, stamp(), force=True)

    assert purgeable(live).classes == {}
    with pytest.raises(UserInputError, match="2 of the photos are in use"):
        live.changes.purge(rust, stamp())


def test_photos_that_no_class_ever_had_go_once_no_arrival_can_be_about_to_name_them(live: LiveWorkspace) -> None:
    add(live, "dent", 1)
    photo = live.photos.keep(b"of an arrival that the gate refused")
    assert purgeable(live).stray == ()
    os.utime(live.photos.path(photo), (time.time() - 4000,) * 2)

    assert purgeable(live).stray == (photo,)
    purge(live, purgeable(live))
    assert lying(live) == {"dent-1"}


def test_killed_before_the_photos_are_deleted_the_next_one_deletes_them(live: LiveWorkspace, place: Place) -> None:
    add(live, "rust", 1)
    live.changes.remove("rust", stamp())
    live.changes.purge(photos_of("rust", 1), stamp())  # and no further
    entries = len(place.ledger.entries())

    purge(live, purgeable(live))

    assert lying(live) == set()
    assert len(place.ledger.entries()) == entries


def test_killed_before_the_pointer_moved_the_next_writer_ends_where_the_purge_would_have(
    live: LiveWorkspace, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(live, "rust", 1, 2)
    add(live, "dent", 1, 2)
    live.changes.remove("rust", stamp())
    with monkeypatch.context() as patch:
        patch.setattr(type(live.versions), "publish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            purge(live, purgeable(live))

    live.changes.rename("dent", "dint", stamp())
    assert place.replayed().digest == place.live[1].digest
    assert purgeable(live).classes == {"rust": photos_of("rust", 1, 2)}
