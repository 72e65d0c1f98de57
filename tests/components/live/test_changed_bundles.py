"""Another bundle takes the place of the live one: the added classes come along, and every way back is open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from components.classifier import Bundle
from components.errors import RefusedByGateError, UserInputError
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import Place, photos_of, stamp
from tests.support.saved_bundle import drawn_bundle


def test_a_new_bundle_takes_the_added_classes_along(place: Place, tmp_path: Path) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    other = drawn_bundle(drawn_support(shots=4, seed=5), ["gda"])[0]
    other.save(tmp_path / "other")

    change = place.changes.adopt(tmp_path / "other", stamp())

    assert change is not None
    assert (change.version.bundle, change.version.classes) == (other.version, ("rust",))
    place.changes.roll_back(stamp(), change.before.name)
    assert place.live[0].version != other.version


def test_a_live_bundle_of_another_release_does_not_stop_a_new_one(place: Place, tmp_path: Path) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    current = place.versions.current()
    assert current is not None
    facts = place.versions.path(current) / "bundle/bundle.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "version": 1}))
    place = Place(tmp_path)  # as a new process sees it
    with pytest.raises(UserInputError, match="the bundle has version 1"):
        place.changes.remove("rust", stamp())
    other = drawn_bundle(drawn_support(shots=4, seed=5), ["gda"])[0]
    other.save(tmp_path / "other")

    change = place.changes.adopt(tmp_path / "other", stamp())

    assert change is not None
    assert change.bundle_verdict is None
    assert (change.version.bundle, change.version.classes) == (other.version, ("rust",))
    place.changes.remove("rust", stamp())


def test_a_rollback_over_classes_that_came_together_takes_all_of_them(place: Place) -> None:
    before = place.versions.current()
    place.changes.add({"rust": photos_of("rust", 1, 2), "dent": photos_of("dent", 1)}, stamp())
    place.changes.roll_back(stamp())
    assert place.versions.current() == before
    assert place.changes.to_consolidate((), stamp()) == {}
    change = place.changes.add({"pit": photos_of("pit", 1, 2)}, stamp())
    assert change.version.classes == ("pit",)
    assert place.replayed().digest == place.live[1].digest


def test_the_version_before_is_the_one_before_another_bundle_too(place: Place, bundle: Bundle) -> None:
    with pytest.raises(UserInputError, match="nothing was ever changed"):
        place.changes.roll_back(stamp())
    place.changes.add({"rust": photos_of("rust", 1)}, stamp())
    place.changes.add({"cls_00": photos_of("more", 1)}, stamp())  # the version stays
    assert place.changes.roll_back(stamp()).version.name == bundle.version
    place.changes.adopt(place.trained_with(["rust"]), stamp())
    assert place.changes.roll_back(stamp()).version.bundle == bundle.version


def test_an_entry_of_an_older_bundle_does_not_trouble_a_bundle_that_knows_its_class(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    place.changes.remove("rust", stamp())
    place.changes.add({"scratch": photos_of("scratch", 1, 2)}, stamp())
    place.changes.rename("scratch", "dent", stamp())

    change = place.changes.adopt(place.trained_with(["rust", "scratch"]), stamp())

    assert change is not None
    assert change.version.classes == ("dent",)
    place.changes.remove("dent", stamp())
    assert place.replayed().digest == place.live[1].digest


def test_an_older_ledger_that_is_put_back_has_the_last_word(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    older = place.ledger.path.read_bytes()
    place.changes.add({"dent": photos_of("dent", 1, 2)}, stamp())
    place.ledger.path.write_bytes(older)

    later = place.versions.current()
    assert later is not None
    with pytest.raises(UserInputError, match="the ledger has 1 entries, and that version contains 2"):
        place.changes.roll_back(stamp(), later.name)
    assert place.changes.add({"pit": photos_of("pit", 1, 2)}, stamp()).version.classes == ("rust", "pit")


def test_consolidated_classes_are_trained_ones_and_what_came_since_waits(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2), "dent": photos_of("dent", 1)}, stamp())
    place.changes.add({"cls_00": photos_of("more", 1)}, stamp())
    moved = place.changes.to_consolidate(["rust", "cls_00"], stamp())
    assert moved == {"rust": photos_of("rust", 1, 2), "cls_00": photos_of("more", 1)}
    place.changes.add({"rust": photos_of("rust", 3)}, stamp())  # while it is trained
    before = place.versions.current()

    change = place.changes.consolidate(place.trained_with(["rust"]), moved, stamp(), force=True)

    assert change.before == before
    assert change.version.classes == ("dent",)
    assert place.changes.to_consolidate((), stamp()) == {"dent": photos_of("dent", 1), "rust": photos_of("rust", 3)}
    assert {entry.to for entry in place.ledger.entries() if entry.action == "consolidate"} == {change.version.name}
    assert place.replayed().digest == place.live[1].digest
    with pytest.raises(UserInputError, match="no photos wait for it"):
        place.changes.to_consolidate(["cls_00"], stamp())
    taken_back = place.changes.remove("rust", stamp())
    assert taken_back.version == change.version
    assert place.changes.to_consolidate((), stamp()) == {"dent": photos_of("dent", 1)}
    with pytest.raises(UserInputError, match="trained class"):
        place.changes.remove("rust", stamp())


def test_a_rollback_over_a_consolidation_brings_the_added_class_back(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    added, answers = place.versions.current(), place.answers()
    assert added is not None
    moved = place.changes.to_consolidate((), stamp())
    trained = place.changes.consolidate(place.trained_with(["rust"]), moved, stamp(), force=True)
    place.changes.add({"dent": photos_of("dent", 1)}, stamp())

    back = place.changes.roll_back(stamp(), added.name)

    assert back.version == added
    assert torch.equal(place.answers(), answers)
    assert place.changes.to_consolidate((), stamp()) == moved
    # consolidated again it is the version that it was, and a rollback to that one counts it as consolidated
    again = place.changes.consolidate(place.bundle_folder, moved, stamp(), force=True)
    assert again.version == trained.version
    place.changes.roll_back(stamp(), added.name)
    place.changes.roll_back(stamp(), trained.version.name)
    assert place.changes.to_consolidate((), stamp()) == {}


def test_a_bundle_that_loses_photos_is_refused_and_force_is_recorded(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    moved = place.changes.to_consolidate((), stamp())
    worse = drawn_bundle(drawn_support(6, shots=4, noise=8.0), ["gda"], ["rust"])[0]
    worse.save(place.bundle_folder)
    before, entries = place.versions.pointer(), place.ledger.entries()

    with pytest.raises(RefusedByGateError, match=r"would lose .* may be lost"):
        place.changes.consolidate(place.bundle_folder, moved, stamp())
    assert (place.versions.pointer(), place.ledger.entries()) == (before, entries)

    change = place.changes.consolidate(place.bundle_folder, moved, stamp(), force=True)
    assert change.bundle_verdict is not None
    assert change.bundle_verdict.refusals
    assert place.ledger.entries()[-1].forced
    assert place.live[0].version == worse.version


def test_what_was_trained_without_the_class_or_after_its_removal_is_no_consolidation(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    moved = place.changes.to_consolidate((), stamp())
    with pytest.raises(UserInputError, match="does not know the class"):
        place.changes.consolidate(place.trained_with(["dent"]), moved, stamp(), force=True)
    place.changes.remove("rust", stamp())
    with pytest.raises(UserInputError, match="removed, renamed or rolled back"):
        place.changes.consolidate(place.trained_with(["rust"]), moved, stamp(), force=True)


def test_what_the_stages_wrote_later_is_told_until_it_is_live(place: Place, bundle: Bundle) -> None:
    assert place.versions.not_live(place.bundle_folder) is None
    version = drawn_bundle(drawn_support(6, shots=4), ["gda"], ["rust"])[0].version
    assert place.versions.not_live(place.trained_with(["rust"])) == version
    place.changes.adopt(place.bundle_folder, stamp())
    assert place.versions.not_live(place.bundle_folder) is None
    place.changes.roll_back(stamp())  # left behind on purpose
    assert place.versions.not_live(place.bundle_folder) is None
    bundle.save(place.bundle_folder)
    assert place.versions.not_live(place.bundle_folder) == bundle.version
