"""The one rule from a photo's features to an answer.

`classify`, the service, the gate, `evaluate`, exports and Feast's online classes all answer by it, so that people get
the same answers that are measured and judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from components.bank.bank import Bank
from components.bank.likely import likely_classes, likely_places, likely_threshold
from components.classifier import Bundle, threshold_between
from components.features import Features
from components.liteembed import KnownClasses

__all__ = ["AnswerBatch", "Answering", "threshold_beside"]


@dataclass(frozen=True)
class AnswerBatch:
    """The answers to n photos.

    Attributes:
        probabilities: (n, C + K) float32, calibrated; trained classes first, then the added ones.
        abstained: (n,) bool; the photo is probably none of the classes.
        likely: (n, C + K) bool; the classes among which the right one is for nine in ten photos, see
            `components.bank.likely`.
    """

    probabilities: Tensor
    abstained: Tensor
    likely: Tensor

    @property
    def classes(self) -> Tensor:
        """(n,) int64: the class that each photo is taken for, -1 if the answer is "unknown"."""
        return torch.where(self.abstained, -1, self.probabilities.argmax(1))

    @property
    def likely_places(self) -> list[list[int]]:
        """For each photo the numbers of its likely classes, most probable first."""
        return likely_places(self.probabilities, self.likely)


@dataclass(frozen=True)
class Answering:
    """A bundle with the bank beside it, which together answer.

    Attributes:
        bundle: the trained classes.
        bank: the added ones; it belongs to the bundle.
    """

    bundle: Bundle
    bank: Bank

    @classmethod
    def of(cls, bundle: Bundle, bank: Bank | None = None) -> Answering:
        """A bundle with its bank; without a bank the bundle answers alone."""
        return cls(bundle, Bank.empty(bundle) if bank is None else bank)

    @cached_property
    def threshold(self) -> float | None:
        """A photo whose highest probability is lower is unknown; None: no photo is. See `threshold_beside`."""
        return threshold_beside(self.bundle.threshold, self.bank.known, self.bank.n_trained)

    @cached_property
    def likely_threshold(self) -> float | None:
        """The probability from which on a class is likely; see the function of that name."""
        return likely_threshold(self.bank.known)

    def answer(self, features: Features) -> AnswerBatch:
        """Answers to photos, levels as the bundle's head reads them."""
        return self.of_logits(self.bank.logits(self.bundle, features))

    def of_logits(self, logits: Tensor) -> AnswerBatch:
        """The answers that calibrated logits (n, C + K) come to."""
        probabilities = torch.softmax(logits, 1)
        abstained = probabilities.double().max(1).values < (0.0 if self.threshold is None else self.threshold)
        return AnswerBatch(probabilities, abstained, likely_classes(probabilities, abstained, self.likely_threshold))

    def to_known_photos(self) -> AnswerBatch:
        """The answers to the photos of `bank.known`, in their order, as `classify` gives them.

        Heads and columns have learnt from these photos.
        """
        bundle, bank = self.bundle, self.bank
        known, n_trained = bank.known, bank.n_trained
        n_support = len(bundle.support.labels)
        trained = torch.cat([bundle.support.fitted.float() / bundle.temperature, known.logits[n_support:, :n_trained]])
        if not len(bank):
            return self.of_logits(trained)
        return self.of_logits(torch.cat([trained, bank.columns.scores(known.embeddings, known.logit_scale)], 1))


def threshold_beside(threshold: float | None, known: KnownClasses, n_trained: int) -> float | None:
    """The threshold of trained classes beside added ones; unchanged while nothing is added.

    Each added class takes a little probability from every photo. On easy classes all photos are about equally sure, and
    the old threshold would make nearly all of them unknown. So the threshold is lowered until as many held-out photos
    of the trained classes are answered as before. There is a limit: K classes that are like the C trained ones would
    leave its odds times (C - 1) / (C - 1 + K), and it is not lowered beyond a quarter of that. A class that takes more
    shares its photos with a trained class; such photos are better unknown, and the gate counts them. The threshold is
    never raised, so that a photo that the trained classes alone answer stays answered.

    Args:
        threshold: of the trained classes alone; None: no photo is unknown, with or without added classes.
        known: trained and added classes with their photos, trained ones first.
        n_trained: C.
    """
    if threshold is None or known.n_classes == n_trained:
        return threshold
    rows = known.labels < n_trained
    if (rows & known.held_out).any():  # else there is one photo per class, and all of them were learnt from
        rows = rows & known.held_out
    logits = known.logits[rows].double()
    alone = torch.softmax(logits[:, :n_trained], 1).max(1).values
    beside = torch.softmax(logits, 1).max(1).values
    lowered = threshold_between(beside, int((alone < threshold).sum()))
    odds = threshold / max(1 - threshold, 1e-12) * (n_trained - 1) / (4 * (known.n_classes - 1))
    return min(threshold, max(lowered, odds / (1 + odds)))
