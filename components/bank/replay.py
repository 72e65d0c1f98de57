"""Derives the bank from bundle and ledger: a pure function, replayed in order; each arrival is one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from components.bank.bank import Bank
from components.bank.fitting import FittedColumns
from components.bank.history import AddedClass, State, states, without_purged
from components.bank.ledger import LedgerEntry

__all__ = ["FitColumns", "by_arrival", "fit_arrival", "replay", "step"]

FitColumns = Callable[[Bank, Sequence[AddedClass], str], FittedColumns]
"""Fits columns for an arrival's classes, from the bank without them, the classes with all their photos, and the kind of
vocabulary that judges their names (`starter`, `full`; empty: none)."""


def by_arrival(entries: Sequence[LedgerEntry]) -> list[list[LedgerEntry]]:
    """The entries, those of one arrival together."""
    return [list(together) for _, together in groupby(entries, key=lambda entry: entry.arrival)]


def fit_arrival(bank: Bank, together: Sequence[LedgerEntry], state: State, fit: FitColumns) -> FittedColumns | None:
    """Fits the added classes of one arrival; returns None if all its photos are of trained classes.

    Args:
        bank: before the arrival; classes that it has already are fitted anew, with all their photos.
        together: the arrival's entries, all of the action `add`.
        state: after them.
        fit: see `FitColumns`.
    """
    names = dict.fromkeys(entry.name for entry in together if entry.photos)  # a class without photos: they were purged
    classes = [state.classes[name] for name in names if name in state.classes]  # the other classes are trained ones
    for each in classes:
        if each.name in bank.names:
            bank = bank.without(each.name)
    return fit(bank, classes, together[0].vocabulary) if classes else None


def step(
    bank: Bank, together: Sequence[LedgerEntry], state: State, bank_after: Callable[[int], Bank], fit: FitColumns
) -> Bank:
    """The bank after one arrival, or after one change of another kind.

    Args:
        bank: before it.
        together: its entries.
        state: after them.
        bank_after: the bank after an earlier entry; 0 for the empty one.
        fit: see `FitColumns`.
    """
    first = together[0]
    if first.action == "add":
        fitted = fit_arrival(bank, together, state, fit)
        return bank if fitted is None else fitted.bank
    if first.action == "rollback":
        return bank_after(first.back_to)
    if first.action == "purge":  # the entries before it are without those photos already
        return bank
    for entry in together:
        if entry.name not in bank.names:
            continue  # the bundle was trained on it
        if entry.action == "rename" and entry.new_name in state.classes:
            bank = bank.renamed(entry.name, entry.new_name)
        else:
            bank = bank.without(entry.name)
    # Beside another bundle than it was done on, a change can leave a class that has no column yet.
    now = [entry.new_name or entry.name for entry in together]
    left = [state.classes[name] for name in now if name in state.classes and name not in bank.names]
    return fit(bank, left, "").bank if left else bank


def replay(empty: Bank, entries: Sequence[LedgerEntry], trained: frozenset[str], fit: FitColumns) -> Bank:
    """The bank after all entries.

    Args:
        empty: the bank beside the bundle before any entry.
        entries: the whole ledger.
        trained: the bundle's classes.
        fit: see `FitColumns`.
    """
    found = states(entries, trained)
    needed = {entry.back_to for entry in entries if entry.action == "rollback"}
    bank, kept = empty, {0: empty}
    for together in by_arrival(without_purged(entries)):
        last = together[-1].number
        bank = step(bank, together, found[last], kept.__getitem__, fit)
        if last in needed:
            kept[last] = bank
    return bank
