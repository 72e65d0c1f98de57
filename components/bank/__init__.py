"""The class bank: classes added beside a bundle, derived from an append-only ledger.

In: the ledger's entries (added, removed, renamed, rolled back, consolidated), the bundle, features of photos by their
hash. Out: the `Bank` after each entry, whose columns stand beside the bundle's calibrated logits. `replay` goes through
the whole ledger, `step` takes one arrival more; both give the very same vectors. `Answering` is the rule from a photo's
features to an answer.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.bank.answering import AnswerBatch, Answering, threshold_beside
    from components.bank.bank import Bank
    from components.bank.facts import BankedClass, BankFacts
    from components.bank.fitting import ColumnFitter, FittedColumns
    from components.bank.history import AddedClass, State, event_times, made_from, photos_in_use, states, without_purged
    from components.bank.ledger import Action, Ledger, LedgerEntry
    from components.bank.likely import PROMISED, likely_classes, likely_places, likely_threshold
    from components.bank.names import class_name, spelling
    from components.bank.photos import ArrivalPhotos
    from components.bank.replay import FitColumns, by_arrival, fit_arrival, replay, step

__all__ = [
    "PROMISED",
    "Action",
    "AddedClass",
    "AnswerBatch",
    "Answering",
    "ArrivalPhotos",
    "Bank",
    "BankFacts",
    "BankedClass",
    "ColumnFitter",
    "FitColumns",
    "FittedColumns",
    "Ledger",
    "LedgerEntry",
    "State",
    "by_arrival",
    "class_name",
    "event_times",
    "fit_arrival",
    "likely_classes",
    "likely_places",
    "likely_threshold",
    "made_from",
    "photos_in_use",
    "replay",
    "spelling",
    "states",
    "step",
    "threshold_beside",
    "without_purged",
]

on_demand(__name__)
