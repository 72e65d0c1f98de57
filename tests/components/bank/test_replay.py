"""The ledger replayed from the start and taken step by step come to the same bank, bit for bit."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.bank import Bank, ColumnFitter, LedgerEntry, by_arrival, replay, states, step
from components.classifier import Bundle


def entry(number: int, action: str, arrival: int | None = None, **more: object) -> LedgerEntry:
    time = f"2026-01-01T00:00:{number:02d}+00:00"
    return LedgerEntry(action, "anna", time, "v", number=number, arrival=arrival or number, **more)  # type: ignore[arg-type]


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerEntry]:
    """Entries that make sense one after the other, some of them arriving together, before any bundle knew a class."""
    entries: list[LedgerEntry] = []
    for _ in range(draw(st.integers(1, 6))):
        first = len(entries) + 1
        # As beside a bundle that knows none of them; the one that they are replayed beside knows cls_00.
        state = states(entries, frozenset())[-1]
        present = list(state.classes)
        action = draw(st.sampled_from(["add", "rollback", *(["remove", "rename", "consolidate"] if present else [])]))
        if action == "add":
            names = draw(st.lists(st.sampled_from(["rust", "dent", "cls_00"]), min_size=1, max_size=2, unique=True))
            for place, name in enumerate(names):
                photos = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
                entries.append(
                    entry(first + place, "add", first, name=name, photos=tuple(f"{name}-{n}" for n in photos))
                )
        elif action == "rollback":
            whole = [0, *(together[-1].number for together in by_arrival(entries))]
            entries.append(entry(first, "rollback", back_to=draw(st.sampled_from(whole))))
        else:
            name = draw(st.sampled_from(present))
            more: dict[str, object] = {}
            if action == "rename":
                other = draw(st.sampled_from([f"new {first}", "cls_01"]))
                more = {"new_name": f"new {first}" if other in present else other}
            elif action == "consolidate":
                photos = st.lists(st.sampled_from(state.classes[name].photos), min_size=1, unique=True)
                more = {"photos": tuple(draw(photos))}
            entries.append(entry(first, action, name=name, **more))
    return entries


# The fixtures are never changed; an example takes up to a second on a busy machine.
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ledgers())
def test_step_by_step_equals_the_replay(
    empty: Bank, bundle: Bundle, fitter: ColumnFitter, entries: list[LedgerEntry]
) -> None:
    trained = frozenset(bundle.class_names)
    banks = {0: empty}
    for together in by_arrival(entries):
        number = together[-1].number
        state = states(entries[:number], trained)[-1]
        before = banks[together[0].number - 1]
        banks[number] = step(before, together, state, banks.__getitem__, fitter)
        found = {each.name: each.photos for each in banks[number].classes}
        assert found == {each.name: each.photos for each in state.classes.values()}

    assert replay(empty, entries, trained, fitter).digest == banks[len(entries)].digest


def test_photos_for_a_trained_class_change_no_column(empty: Bank, bundle: Bundle, fitter: ColumnFitter) -> None:
    entries = [entry(1, "add", name="cls_00", photos=("rust-1",))]
    assert replay(empty, entries, frozenset(bundle.class_names), fitter).digest == empty.digest


def test_what_was_renamed_is_read_by_what_a_later_bundle_knows(
    empty: Bank, bundle: Bundle, fitter: ColumnFitter
) -> None:
    trained = frozenset(bundle.class_names)
    known = [entry(1, "add", name="rust", photos=("rust-1",)), entry(2, "rename", name="rust", new_name="cls_01")]
    assert replay(empty, known, trained, fitter).digest == empty.digest
    unknown = [entry(1, "add", name="cls_01", photos=("rust-1",)), entry(2, "rename", name="cls_01", new_name="rust")]
    assert replay(empty, unknown, trained, fitter).names == ("rust",)


def test_classes_that_arrive_together_are_optimised_together(empty: Bank, bundle: Bundle, fitter: ColumnFitter) -> None:
    def both(arrival: int) -> list[LedgerEntry]:
        return [
            entry(number, "add", number if arrival == 0 else arrival, name=name, photos=(f"{name}-1", f"{name}-2"))
            for number, name in enumerate(("rust", "dent"), 1)
        ]

    trained = frozenset(bundle.class_names)
    assert replay(empty, both(1), trained, fitter).digest != replay(empty, both(0), trained, fitter).digest
