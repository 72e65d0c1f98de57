"""Whatever is done in whatever order, the ledger comes to what a person would expect."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bank.history import State, made_from, photos_in_use, states
from components.bank.ledger import Action, LedgerEntry

TRAINED = frozenset({"crack", "pit"})


def entry(action: Action, number: int, **more: object) -> LedgerEntry:
    more.setdefault("arrival", number)
    return LedgerEntry(
        action, who="anna", time=f"2026-01-01T00:00:{number:02d}+00:00", made_on="v", number=number, **more
    )  # type: ignore[arg-type]


def photos_of(state: State) -> dict[str, tuple[str, ...]]:
    """All photos that are not in data/raw, by class."""
    return {each.name: each.photos for each in state.classes.values()} | state.waiting


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerEntry]:
    """Entries that make sense one after the other."""
    entries: list[LedgerEntry] = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        state = states(entries, TRAINED)[-1]
        actions: list[Action] = ["add", "rollback"]
        actions += ["remove", "rename"] if state.classes else []
        actions += ["consolidate"] if photos_of(state) else []
        action = draw(st.sampled_from(actions))
        classes = list(photos_of(state) if action == "consolidate" else state.classes)
        more: dict[str, object] = {}
        if action == "add":
            more = {
                "name": draw(st.sampled_from(["rust", "dent", "scratch", "crack"])),
                "photos": tuple(draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3))),
            }
        elif action == "rollback":
            more = {"back_to": draw(st.integers(0, number - 1))}
        else:
            more = {"name": draw(st.sampled_from(classes))}
            if action == "rename":
                more["new_name"] = f"new {number}"
            if action == "consolidate":
                photos = photos_of(states(entries, TRAINED)[-1])[str(more["name"])]
                more["photos"] = tuple(draw(st.lists(st.sampled_from(photos), min_size=1, unique=True)))
        entries.append(entry(action, number, **more))
    return entries


@given(ledgers())
def test_an_added_class_that_is_removed_leaves_no_trace(entries: list[LedgerEntry]) -> None:
    n = len(entries)
    more = [entry("add", n + 1, name="brand new", photos=("z",)), entry("remove", n + 2, name="brand new")]
    assert states([*entries, *more], TRAINED)[-1] == states(entries, TRAINED)[-1]


@given(ledgers(), st.data())
def test_a_rollback_restores_exactly_what_was(entries: list[LedgerEntry], data: st.DataObject) -> None:
    back_to = data.draw(st.integers(0, len(entries)))
    found = states([*entries, entry("rollback", len(entries) + 1, back_to=back_to)], TRAINED)
    assert found[-1] == found[back_to]


@given(ledgers())
def test_one_entry_more_changes_nothing_before_it(entries: list[LedgerEntry]) -> None:
    assert states(entries, TRAINED)[:-1] == states(entries[:-1], TRAINED)
    assert states(entries, TRAINED)[0] == State()


@given(ledgers())
def test_no_photo_is_counted_twice_and_trained_classes_are_never_added(entries: list[LedgerEntry]) -> None:
    for state in states(entries, TRAINED):
        assert not TRAINED & state.classes.keys()
        assert state.waiting.keys() <= TRAINED
        for each in state.classes.values():
            assert len(each.photos) == len(set(each.photos))


@given(ledgers())
def test_no_photo_is_lost_whatever_the_bundle_knows(entries: list[LedgerEntry]) -> None:
    # As entries come to be read beside bundles that were trained since.
    for trained in (frozenset(), frozenset({"rust", "crack"}), frozenset({"rust", "dent", "scratch", "pit"})):
        for state, here in zip(states(entries, trained), states(entries, TRAINED), strict=True):
            assert photos_of(state) == photos_of(here)
            assert state.waiting.keys() <= trained
            assert not trained & state.classes.keys()


@given(ledgers(), st.data())
def test_what_is_consolidated_no_longer_waits_and_the_rest_does(
    entries: list[LedgerEntry], data: st.DataObject
) -> None:
    before = photos_of(states(entries, TRAINED)[-1])
    if not before:
        return
    name = data.draw(st.sampled_from(list(before)))
    moved = tuple(data.draw(st.lists(st.sampled_from(before[name]), min_size=1, unique=True)))
    more = entry("consolidate", len(entries) + 1, name=name, photos=moved)
    after = photos_of(states([*entries, more], TRAINED)[-1])
    assert after.pop(name, ()) == tuple(photo for photo in before.pop(name) if photo not in moved)
    assert after == before


def test_more_photos_update_an_added_class_and_wait_for_a_trained_one() -> None:
    found = states(
        [
            entry("add", 1, name="rust", photos=("a", "b")),
            entry("add", 2, name="rust", photos=("b", "c")),
            entry("add", 3, name="crack", photos=("d",)),
        ],
        TRAINED,
    )[-1]
    rust = found.classes["rust"]
    assert (rust.photos, rust.entry, rust.since) == (("a", "b", "c"), 2, "2026-01-01T00:00:01+00:00")
    assert found.waiting == {"crack": ("d",)}


def test_a_renamed_class_keeps_its_place() -> None:
    found = states(
        [
            entry("add", 1, name="rust", photos=("a",)),
            entry("add", 2, name="dent", photos=("b",)),
            entry("rename", 3, name="rust", new_name="corrosion"),
        ],
        TRAINED,
    )[-1]
    assert [(name, each.name, each.entry) for name, each in found.classes.items()] == [
        ("corrosion", "corrosion", 1),
        ("dent", "dent", 2),
    ]


def test_what_cannot_be_removed_is_no_entry() -> None:
    with pytest.raises(KeyError):
        states([entry("remove", 1, name="rust")], TRAINED)


@settings(max_examples=30)
@given(ledgers())
def test_photos_that_nothing_uses_can_be_purged_and_what_holds_stays_as_it_is(entries: list[LedgerEntry]) -> None:
    n = len(entries)
    gone = tuple(sorted({photo for each in entries for photo in each.photos} - photos_in_use(entries, TRAINED)))
    purged = [*entries, entry("purge", n + 1, photos=gone)]

    assert photos_of(states(purged, TRAINED)[-1]) == photos_of(states(entries, TRAINED)[-1])
    assert not {*gone} & made_from(purged, TRAINED, n + 1)
    # what comes later may bring them again
    again = [*purged, entry("add", n + 2, name="brand new", photos=("z", *gone))]
    assert states(again, TRAINED)[-1].classes["brand new"].photos == ("z", *gone)


def test_a_class_depends_on_those_beside_which_it_was_fitted_though_they_are_gone() -> None:
    entries = [
        entry("add", 1, name="rust", photos=("a",), arrival=1),
        entry("add", 2, name="dent", photos=("b",), arrival=2),
        entry("remove", 3, name="rust", arrival=3),
        entry("add", 4, name="stain", photos=("c",), arrival=4),
        entry("remove", 5, name="dent", arrival=5),
    ]
    assert made_from(entries, TRAINED, 1) == {"a"}
    assert made_from(entries, TRAINED, 3) == {"a", "b"}
    assert made_from(entries, TRAINED, 5) == {"a", "b", "c"}
    assert made_from(entries[:3], TRAINED, 0) == set()
