"""Whatever happens while classes are changed, what is live is whole, and the ledger has the last word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.classifier import Bundle
from components.errors import RefusedByGateError, UserInputError
from components.live import GateSettings, Versions
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import Place, photos_of, stamp
from tests.support.saved_bundle import drawn_bundle


def test_a_new_bundle_is_live_once(place: Place, bundle: Bundle) -> None:
    version = place.versions.current()
    assert version is not None
    assert version.name == bundle.version
    assert place.changes.adopt(place.bundle_folder, stamp()) is None


def test_a_class_goes_live_and_out_again_to_the_last_bit(place: Place) -> None:
    before = place.answers()

    change = place.changes.add({"rust": photos_of("rust", 1, 2, 3)}, stamp())
    assert change.version.classes == ("rust",)
    assert place.answers().argmax(1).tolist()[:2] == [5, 5]
    assert change.verdict is not None
    assert change.verdict.recall == {"rust": 1.0}

    back = place.changes.remove("rust", stamp())
    assert torch.equal(place.answers(), before)
    assert back.version == change.before
    assert [entry.action for entry in place.ledger.entries()] == ["add", "remove"]
    assert place.ledger.entries()[1].made_on == change.version.name


@pytest.mark.parametrize("name", ["rolled-in scale", "Burn Mark", "PCBCrack", "v2.0", "3_bolts"])
def test_a_class_is_called_what_it_was_called(place: Place, name: str) -> None:
    before = place.answers()
    change = place.changes.add({name: photos_of("rust", 1, 2)}, stamp())
    assert change.version.classes == (name,)

    place.changes.add({name: photos_of("rust", 3)}, stamp())
    assert place.live[1].names == (name,)
    assert place.live[1].classes[0].photos == photos_of("rust", 1, 2, 3)

    place.changes.remove(name, stamp())
    assert torch.equal(place.answers(), before)


def test_a_class_may_be_called_as_it_is_whatever_its_name_holds(tmp_path: Path) -> None:
    of_a_list = drawn_bundle(drawn_support(7, shots=4), ["gda"], ["TV/monitor", "rosé"])[0]
    place = Place(tmp_path, of_a_list)
    assert place.changes.add({"TV/monitor": photos_of("rust", 1)}, stamp()).waiting == ("TV/monitor",)
    place.changes.add({" rose\N{COMBINING ACUTE ACCENT}": photos_of("dent", 1)}, stamp())
    place.changes.remove("rose\N{COMBINING ACUTE ACCENT}", stamp())
    place.changes.remove("TV/monitor", stamp())
    with pytest.raises(UserInputError, match="no photos wait for it"):
        place.changes.remove("TV/monitor", stamp())

    # a new class of such a list may hold what its others hold, and nothing more
    place.changes.add({"TV/radio": photos_of("rust", 1, 2)}, stamp())
    assert place.changes.rename("TV/radio", "hi/fi", stamp()).version.classes == ("hi/fi",)
    for name in ("a:b", "../away", "/", "TV/radio."):
        with pytest.raises(UserInputError, match=r"holds|dot|no name"):
            place.changes.add({name: photos_of("rust", 3)}, stamp())


def test_where_folders_name_classes_a_new_one_can_be_a_folder(place: Place) -> None:
    with pytest.raises(UserInputError, match="the name holds '/'"):
        place.changes.add({"TV/radio": photos_of("rust", 1, 2)}, stamp())


def test_a_photo_that_comes_for_two_classes_at_once_is_told(place: Place) -> None:
    with pytest.raises(UserInputError, match="1 of its 2 photos come for rust too"):
        place.changes.add({"rust": photos_of("rust", 1, 2), "dent": photos_of("rust", 2, 3)}, stamp())
    assert place.ledger.entries() == []


def test_a_new_name_is_none_that_people_would_take_for_another_class_s(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2), "dent": photos_of("dent", 1)}, stamp())
    for taken in ("cls 00", "Dent", "den-t"):
        with pytest.raises(UserInputError, match="there is a class called"):
            place.changes.rename("rust", taken, stamp())

    assert place.changes.rename("rust", "Rust", stamp()).version.classes == ("Rust", "dent")


def test_rollback_restores_any_version_to_the_last_bit(place: Place) -> None:
    seen = {}
    for name in ("rust", "dent"):
        change = place.changes.add({name: photos_of(name, 1, 2)}, stamp())
        seen[change.version.name] = place.answers()
    place.changes.rename("rust", "corrosion", stamp())
    last = place.changes.remove("dent", stamp()).version.name
    seen[last] = place.answers()

    for name, answers in seen.items():
        assert place.changes.roll_back(stamp(), name[:8]).version.name == name
        assert torch.equal(place.answers(), answers)
    # what is done after a rollback builds on what was restored
    first = next(iter(seen))
    place.changes.roll_back(stamp(), first)
    assert place.changes.add({"pit": photos_of("pit", 1, 2)}, stamp()).version.classes == ("rust", "pit")
    place.changes.roll_back(stamp())
    assert place.versions.current() == place.versions.find(first)


def test_a_new_process_replays_to_the_same_version(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2), "dent": photos_of("dent", 1)}, stamp())
    place.changes.add({"rust": photos_of("rust", 3)}, stamp())
    place.changes.roll_back(stamp())
    place.changes.remove("dent", stamp())
    version = place.versions.current()
    (place.versions.folder / "current.json").unlink()

    place.warm().adopt(place.bundle_folder, stamp())

    assert place.versions.current() == version


def test_the_same_arrival_twice_adds_once(place: Place) -> None:
    first = place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    again = place.changes.add({"rust": photos_of("rust", 2, 1)}, stamp())
    assert again.version == again.before == first.version
    assert len(place.ledger.entries()) == 1


def test_more_photos_update_an_added_class_and_wait_for_a_trained_one(place: Place, bundle: Bundle) -> None:
    trained = bundle.class_names[0]
    place.changes.add({"rust": photos_of("rust", 1)}, stamp())
    change = place.changes.add({"rust": photos_of("rust", 2), trained: photos_of("more", 1)}, stamp())
    assert change.waiting == (trained,)
    assert place.live[1].classes[0].photos == photos_of("rust", 1, 2)
    alone = place.changes.add({trained: photos_of("more", 2)}, stamp())
    assert alone.version == alone.before
    assert alone.verdict is None


def test_the_gate_refuses_with_figures_and_force_is_recorded(place: Place, bundle: Bundle) -> None:
    before = place.versions.current()
    mixed = {"rust": photos_of("rust", 1, 2) + photos_of("dent", 1, 2), "dent": photos_of("dent", 3, 4)}
    strict = place.warm(GateSettings(least_recall=1.0))

    with pytest.raises(RefusedByGateError, match=r"photos of (rust|dent) are (found|taken)"):
        strict.add(mixed, stamp())
    assert place.versions.current() == before
    assert place.ledger.entries() == []

    change = strict.add(mixed, stamp(), force=True)
    assert change.version.classes == ("rust", "dent")
    assert [entry.forced for entry in place.ledger.entries()] == [True, True]


@pytest.mark.parametrize(
    ("arrival", "told"),
    [
        ({"": ("rust-1",)}, "has no name"),
        ({"a/b": ("rust-1",)}, "holds '/'"),
        ({"x" * 300: ("rust-1",)}, "has 300 letters"),
        ({"rust": ()}, "has no photo"),
        ({"CLS_00": ("rust-1",)}, "there is a class called cls_00"),
        ({"cls 00": ("rust-1",)}, "there is a class called cls_00"),
        ({"rusty iron": ("rust-1",), "Rusty-Iron": ("rust-2",)}, "there is a class called"),
        ({"Unknown-": ("rust-1",)}, "the answer for a photo of none of the classes"),
        ({"rust": ("cls_01-1", "rust-1")}, "1 of its 2 photos belong to the class cls_01"),
        ({"rust": ("rust-1",), " rust ": ("rust-2",)}, "is given twice"),
    ],
)
def test_what_cannot_arrive_is_refused_and_nothing_changes(
    place: Place, arrival: dict[str, tuple[str, ...]], told: str
) -> None:
    before = place.versions.current()
    with pytest.raises(UserInputError, match=told):
        place.changes.add(arrival, stamp())
    assert place.versions.current() == before
    assert place.ledger.entries() == []


def test_only_added_classes_can_be_removed_or_renamed(place: Place, bundle: Bundle) -> None:
    with pytest.raises(UserInputError, match="trained class"):
        place.changes.remove(bundle.class_names[0], stamp())
    with pytest.raises(UserInputError, match="no added class"):
        place.changes.rename("nobody", "somebody", stamp())
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    with pytest.raises(UserInputError, match="there is a class of that name"):
        place.changes.rename("rust", bundle.class_names[0], stamp())
    with pytest.raises(UserInputError, match="it has that name already"):
        place.changes.rename("rust", "rust", stamp())


def test_whose_photos_it_has_decides_what_is_advised(place: Place, bundle: Bundle) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    with pytest.raises(UserInputError, match="or rename that class"):
        place.changes.add({"stain": photos_of("rust", 1)}, stamp())
    trained = bundle.class_names[0]
    with pytest.raises(UserInputError) as told:
        place.changes.add({"stain": (bundle.split[trained][0],)}, stamp())
    assert trained in str(told.value)
    assert "rename" not in str(told.value)


def test_a_pointer_that_is_none_says_what_to_do(place: Place) -> None:
    for content in ("{", json.dumps(["version"]), json.dumps({"version": "a", "entry": 1, "nobody": 2})):
        (place.versions.folder / "current.json").write_text(content)
        with pytest.raises(UserInputError, match="pointer cannot be read"):
            Versions(place.versions.folder).current()


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_done_the_replay_of_the_ledger_is_what_is_live(
    bundle: Bundle, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = Place(tmp_path_factory.mktemp("place"), bundle)
    seen = {}
    for number in range(data.draw(st.integers(2, 7))):
        added = place.live[1].names
        actions = ["add", "roll_back", "adopt", *(["remove", "rename"] if added else [])]
        waiting = place.changes.to_consolidate((), stamp())
        action = data.draw(st.sampled_from([*actions, *(["consolidate"] if waiting else [])]))
        if action == "add":
            names = data.draw(st.lists(st.sampled_from(["rust", "dent", "cls_00"]), min_size=1, unique=True))
            photos = st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True)
            place.changes.add(
                {name: photos_of(f"{name}{number}", *data.draw(photos)) for name in names}, stamp(), force=True
            )
        elif action == "remove":
            place.changes.remove(data.draw(st.sampled_from(added)), stamp())
        elif action == "rename":
            place.changes.rename(data.draw(st.sampled_from(added)), f"new {number}", stamp())
        elif action == "roll_back":
            version = data.draw(st.sampled_from([version.name for version in place.versions.all()]))
            place.changes.roll_back(stamp(), version)
        elif action == "adopt":
            place.changes.adopt(
                place.trained_with(data.draw(st.sampled_from([[], ["rust"], ["rust", "dent"]]))), stamp()
            )
        else:
            trained = [name for name in place.live[0].class_names if not name.startswith("cls_")]
            names = data.draw(st.lists(st.sampled_from(list(waiting)), min_size=1, unique=True))
            moved = {name: waiting[name][: data.draw(st.integers(1, 4))] for name in names}
            folder = place.trained_with(sorted({*trained, *names} - {"cls_00"}))
            place.changes.consolidate(folder, moved, stamp(), force=True)
            assert not {*place.live[1].names} & {*names}

        assert place.replayed().digest == place.live[1].digest
        version = place.versions.current()
        assert version is not None
        assert set(version.classes) == set(place.live[1].names)
        assert torch.equal(seen.setdefault(version.name, place.answers()), place.answers())
        assert place.versions.entry() == len(place.ledger.entries())
