"""The input of a form: known classes and an arrival's new classes. Its output: columns of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from components.liteembed.gaussian import (
    KnownGaussian,
    Voices,
    fit_known_gaussian,
    fit_voices,
    leave_one_out,
)
from components.liteembed.prototypes import Loudness, Rehearsal, Whitening, rehearse

__all__ = ["Columns", "KnownClasses", "NewClasses"]


@dataclass(frozen=True)
class KnownClasses:
    """The C classes that are live already, frozen: their photos, and the live classifier's logits of these.

    All of it comes from a bundle and the classes added to it so far; adding a class needs nothing else.

    Attributes:
        names: of the classes, as words.
        embeddings: (n, d) float32, unit length, one row per photo.
        labels: (n,) int64, every class has a photo.
        logits: (n, C) float32, calibrated (their softmax is the live answer), from heads that had not seen the photo
            where `held_out` says so. held_out: (n,) bool. If no photo is held out (one shot per class), known classes
        look better than they are, and new ones are held back. logit_scale: the factor by which the backbone multiplies
        cosines. text_embeddings: (C, d) float32, unit length; zero for a name that means nothing; None if the backbone
        has no
            words.
        covariance: (d, d), the backbone's generic within-class covariance, any scale, or None.
        hidden: (n,) bool, photos that columns must not learn from because they are judged on them; None: no photo.
    """

    names: tuple[str, ...]
    embeddings: Tensor
    labels: Tensor
    logits: Tensor
    held_out: Tensor
    logit_scale: float
    text_embeddings: Tensor | None = None
    covariance: Tensor | None = None
    hidden: Tensor | None = None

    def __post_init__(self) -> None:
        n, n_classes = len(self.embeddings), len(self.names)
        if self.labels.shape != (n,) or self.logits.shape != (n, n_classes) or self.held_out.shape != (n,):
            raise ValueError(
                f"labels {tuple(self.labels.shape)}, logits {tuple(self.logits.shape)} and held_out "
                f"{tuple(self.held_out.shape)} do not belong to {n} photos of {n_classes} classes"
            )
        if self.logits.isnan().any():
            raise ValueError("known logits hold NaN; use KnownClasses.of_head, which fills them")
        if n_classes and int(torch.bincount(self.labels, minlength=n_classes).min()) == 0:
            raise ValueError("every known class needs a photo")

    @classmethod
    def of_head(
        cls,
        names: tuple[str, ...],
        embeddings: Tensor,
        labels: Tensor,
        *,
        out_of_fold: Tensor,
        seen: Tensor,
        temperature: float,
        logit_scale: float,
        text_embeddings: Tensor | None = None,
        covariance: Tensor | None = None,
    ) -> KnownClasses:
        """The classes of a fitted head.

        Args:
            names: of the C classes.
            embeddings: (n, d) of the support photos.
            labels: (n,) int64.
            out_of_fold: (n, C) uncalibrated logits from heads that had not seen the photo; NaN if there is none.
            seen: (n, C) uncalibrated logits of the fitted head itself; they replace NaN in the others.
            temperature: logits divided by it are calibrated.
            logit_scale: see the class.
            text_embeddings: see the class.
            covariance: see the class.
        """
        held_out = ~out_of_fold.isnan().any(1)
        logits = torch.where(held_out[:, None], out_of_fold, seen).float() / temperature
        return cls(names, embeddings, labels, logits, held_out, logit_scale, text_embeddings, covariance)

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.names)

    @cached_property
    def shots(self) -> Tensor:
        """(C,) int64: photos of each class."""
        return torch.bincount(self.labels, minlength=self.n_classes)

    @cached_property
    def place(self) -> Tensor:
        """(n,) int64: a photo's number among those of its class, in the order of the rows."""
        return _places(self.labels, self.n_classes)

    @cached_property
    def named(self) -> Tensor:
        """(C,) bool: classes with words; a text embedding of zero is none."""
        return _named(self.text_embeddings, self.n_classes)

    def hiding(self, rows: Tensor) -> KnownClasses:
        """The same classes with those photos hidden, (n,) bool.

        The scatter of photos and the weight of names are learnt once from all photos, for every arrival.
        """
        hiding = replace(self, hidden=rows)
        learnt = ("gaussian", "voices", "level", "whitening", "_rehearsed")
        hiding.__dict__.update({name: getattr(self, name) for name in learnt})
        return hiding

    @cached_property
    def level(self) -> float:
        """The mean offset of the live logits from the names' logits at their own scale, on the known photos.

        It is 0 if the known classes are text columns; a fitted head has a level of its own. It aligns a name's column
        with the known logits.
        """
        if self.text_embeddings is None or not self.named.any():
            return 0.0
        rows = self.held_out if self.held_out.any() else torch.ones_like(self.held_out)
        words = self.voices.name * self.logit_scale * self.embeddings[rows] @ self.text_embeddings[self.named].T
        return float((self.logits[rows][:, self.named].logsumexp(1) - words.logsumexp(1)).double().mean())

    @cached_property
    def gaussian(self) -> KnownGaussian:
        """The scatter of their photos."""
        return fit_known_gaussian(self.embeddings, self.labels, self.n_classes, self.covariance)

    @cached_property
    def voices(self) -> Voices:
        """The weights of words and photos for them, learnt on the classes with words if there are any."""
        photos = leave_one_out(self.gaussian, self.embeddings, self.labels)
        if self.text_embeddings is None or not self.named.any():
            return fit_voices(photos, None, self.labels)
        number = self.named.cumsum(0) - 1
        rows = self.named[self.labels]
        words = self.logit_scale * self.embeddings[rows] @ self.text_embeddings[self.named].T
        return fit_voices(photos[rows][:, self.named], words, number[self.labels[rows]])

    @cached_property
    def whitening(self) -> Whitening:
        """The whitening of their scatter."""
        return Whitening.of(self.gaussian, self.embeddings)

    @cached_property
    def _rehearsed(self) -> tuple[dict[int, Rehearsal], dict[tuple[int, int, bool, float], Loudness]]:
        return {}, {}

    def loudness(self, new: NewClasses, *, words: bool, balance: float) -> Loudness:
        """The weights of prototypes and names for such an arrival, learnt with known classes that play the new ones.

        Args:
            new: the arrival; only its number of classes, and of photos per class (to a power of two), matters.
            words: whether names take part.
            balance: see `EmbeddingSettings`.
        """
        rehearsals, found = self._rehearsed
        shots = 2 ** round(math.log2(float(new.shots.double().mean())))
        if shots not in rehearsals:
            rehearsals[shots] = rehearse(self.embeddings, self.labels, self.n_classes, self.covariance, shots)
        key = (shots, new.n_classes, words, balance)
        if key not in found:
            text = self.text_embeddings if words else None
            found[key] = rehearsals[shots].loudness(
                None if text is None else self.logit_scale * self.embeddings @ text.T,
                self.logits,
                self.labels,
                n_new=new.n_classes,
                balance=balance,
            )
        return found[key]

    def extended(self, new: NewClasses, on_known: Tensor, on_new: Tensor) -> KnownClasses:
        """These classes and the added ones, for the next arrival.

        Args:
            new: the classes that were added.
            on_known: (n, K) scores of the new columns for the known photos.
            on_new: (m, K) scores of the new columns for the new photos, held out if a class has several.
        """
        text = None
        if self.text_embeddings is not None:
            nameless = torch.zeros(new.n_classes, self.embeddings.shape[1])
            text = torch.cat([self.text_embeddings, nameless if new.text_embeddings is None else new.text_embeddings])
        several = new.shots[new.labels] > 1
        return KnownClasses(
            names=self.names + new.names,
            embeddings=torch.cat([self.embeddings, new.embeddings]),
            labels=torch.cat([self.labels, new.labels + self.n_classes]),
            logits=torch.cat([torch.cat([self.logits, on_known], 1), torch.cat([new.known_logits, on_new], 1)]),
            held_out=torch.cat([self.held_out, several]),
            logit_scale=self.logit_scale,
            text_embeddings=text,
            covariance=self.covariance,
        )


@dataclass(frozen=True)
class NewClasses:
    """The K classes of one arrival and their m photos.

    Attributes:
        names: of the classes, as words.
        embeddings: (m, d) float32, unit length, one row per photo.
        labels: (m,) int64, 0 to K - 1; every class has a photo.
        known_logits: (m, C) float32, the live classifier's calibrated logits of the photos.
        text_embeddings: (K, d) float32, unit length, of the names; zero for a name that means nothing; None if the
            backbone has no words.
    """

    names: tuple[str, ...]
    embeddings: Tensor
    labels: Tensor
    known_logits: Tensor
    text_embeddings: Tensor | None = None

    def __post_init__(self) -> None:
        m, n_classes = len(self.embeddings), len(self.names)
        if self.labels.shape != (m,) or len(self.known_logits) != m:
            raise ValueError(
                f"labels {tuple(self.labels.shape)} and known logits {tuple(self.known_logits.shape)} "
                f"do not belong to {m} photos"
            )
        counts = torch.bincount(self.labels, minlength=n_classes)
        if len(counts) != n_classes or int(counts.min()) == 0:
            raise ValueError(f"{n_classes} new classes have {counts.tolist()} photos; every class needs one")

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.names)

    @cached_property
    def shots(self) -> Tensor:
        """(K,) int64: photos of each class."""
        return torch.bincount(self.labels, minlength=self.n_classes)

    @cached_property
    def named(self) -> Tensor:
        """(K,) bool: classes with words; a text embedding of zero is none."""
        return _named(self.text_embeddings, self.n_classes)

    @cached_property
    def place(self) -> Tensor:
        """(m,) int64: a photo's number among those of its class, in the order of the rows."""
        return _places(self.labels, self.n_classes)

    def rows(self, index: Tensor) -> NewClasses:
        """The chosen photos of all classes; each class must keep at least one."""
        return replace(
            self,
            embeddings=self.embeddings[index],
            labels=self.labels[index],
            known_logits=self.known_logits[index],
        )

    def classes(self, index: list[int]) -> NewClasses:
        """The chosen classes with their photos, numbered anew in the order given."""
        kept = torch.isin(self.labels, torch.tensor(index))
        number = torch.full((self.n_classes,), -1)
        number[index] = torch.arange(len(index))
        return NewClasses(
            names=tuple(self.names[label] for label in index),
            embeddings=self.embeddings[kept],
            labels=number[self.labels[kept]],
            known_logits=self.known_logits[kept],
            text_embeddings=None if self.text_embeddings is None else self.text_embeddings[index],
        )

    def without_text(self) -> NewClasses:
        """The same classes without their words."""
        return replace(self, text_embeddings=None)


@dataclass(frozen=True)
class Columns:
    """One column of scores per new class, on the scale of the known classes' calibrated logits.

    Attributes:
        vectors: (K, d) float32, any length.
        offsets: (K,) float32.
    """

    vectors: Tensor
    offsets: Tensor

    def scores(self, embeddings: Tensor, logit_scale: float) -> Tensor:
        """(n, K): `logit_scale <x, vector> + offset`."""
        return logit_scale * embeddings @ self.vectors.T + self.offsets

    def shifted(self, by: Tensor) -> Columns:
        """The same columns with `by`, (K,) or a scalar, added to the offsets."""
        return Columns(self.vectors, self.offsets + by)


def _places(labels: Tensor, n_classes: int) -> Tensor:
    place = torch.empty_like(labels)
    for label in range(n_classes):
        rows = torch.nonzero(labels == label).flatten()
        place[rows] = torch.arange(len(rows))
    return place


def _named(text_embeddings: Tensor | None, n_classes: int) -> Tensor:
    if text_embeddings is None:
        return torch.zeros(n_classes, dtype=torch.bool)
    return text_embeddings.abs().sum(1) > 0
