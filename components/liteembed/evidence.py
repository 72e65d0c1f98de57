"""The evidence for a form from the photos at hand: leave-one-out on new photos, held-out logits on known ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from components.heads.pooling import first_of_the_best
from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.prototypes import best_shift
from components.liteembed.seen_unseen import SeenUnseen, seen_unseen

__all__ = ["Evidence", "Form", "OwnOffset", "Tried", "prefer", "try_form"]

_MOST_DROP_UNSEEN = 0.05  # what an offset may cost the known photos if no new photo can show its gain
_SAME = 1e-9  # shares of photos that differ by less count as equal: rounding of their sums
_MOST_EXTRA_DROP = 0.02  # share of the known photos that a form may cost beyond the preferred one


class Form(Protocol):
    """A way to make columns for new classes.

    Attributes:
        name: in settings and evidence.
        needs_text: it needs the name's text embedding.
    """

    name: ClassVar[str]
    needs_text: ClassVar[bool]

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Fit columns on about the scale of the known classes' calibrated logits; deterministic."""
        ...


@dataclass(frozen=True)
class Evidence:
    """Figures of one form, 0 to 1, means over classes.

    Attributes:
        kind: `leave_one_out`; `prior` if no class has two photos: `new` and `harmonic` are then NaN.
        base: share of the known photos answered rightly beside the new columns.
        base_drop: how much lower that share is than without the new columns.
        new: share of the new photos answered rightly, each by columns that had not learnt from it.
        harmonic: harmonic mean of base and new.
        log_loss: nats per photo, mean of known and of left-out new photos, classes alike; lower is better; NaN for
            `prior`.
        n_new: how many new photos were left out.
    """

    kind: Literal["leave_one_out", "prior"]
    base: float
    base_drop: float
    new: float
    harmonic: float
    log_loss: float
    n_new: int


@dataclass(frozen=True)
class Tried:
    """A form fitted on an arrival.

    Attributes:
        form: its name.
        fitted: the form itself, with the settings that it was fitted with.
        columns: fitted on all photos, at the offset that the evidence sets.
        on_known: (n, K) scores of the known photos at that offset, from columns that had not learnt from the photo if
            photos were left out.
        on_new: (m, K) scores of the new photos at that offset, from columns that had not learnt from the photo; if a
            class has one photo, from columns that have.
        evidence: see `Evidence`.
        recall: (K,) share of each new class's left-out photos answered rightly; NaN if none was left out.
    """

    form: str
    fitted: Form
    columns: Columns
    on_known: Tensor
    on_new: Tensor
    evidence: Evidence
    recall: Tensor


@dataclass(frozen=True)
class OwnOffset:
    """How the learnt offset of a form is corrected.

    Attributes:
        balance: see `EmbeddingSettings`.
        most_drop: share of the known photos that it may cost, by the evidence at hand.
    """

    balance: float
    most_drop: float


def try_form(
    form: Form, known: KnownClasses, new: NewClasses, *, folds: int, own_offset: OwnOffset | None = None
) -> Tried:
    """Fit a form, leave photos out, and set the offset.

    Args:
        form: see `Form`.
        known: see `KnownClasses`.
        new: see `NewClasses`.
        folds: the highest number of refits.
        own_offset: the form has learnt its offset on photos that it has also fitted; the offset is moved to the lowest
            log-loss on left-out photos, as far as the allowed cost to the known classes permits. None: it is set where
            the harmonic mean on the evidence is best.
    """
    columns = form.fit(known, new)
    on_known, held_out = _leave_out(form, known, new, folds)
    left_out = ~held_out.isnan().any(1)
    several = bool(left_out.any())
    on_known = torch.where(on_known.isnan(), columns.scores(known.embeddings, known.logit_scale), on_known)
    rows = known.held_out if known.held_out.any() else torch.ones_like(known.held_out)

    def curve(shift: Tensor) -> SeenUnseen:
        return seen_unseen(
            (known.logits[rows], on_known[rows] + shift, known.labels[rows]),
            (new.known_logits[left_out], held_out[left_out] + shift, new.labels[left_out]),
            known.n_classes,
            new.n_classes,
        )

    unshifted = curve(torch.zeros(()))
    if own_offset is None:
        shift = torch.tensor(_honest_offset(unshifted, several))
    else:
        wanted = (
            _likeliest_shift(known, new, on_known, held_out, rows, left_out, own_offset.balance) if several else 0.0
        )
        shift = torch.tensor(min(wanted, _highest_offset(unshifted, own_offset.most_drop)))
    found = curve(shift)
    in_sample = columns.scores(new.embeddings, known.logit_scale)
    on_new = torch.where(left_out[:, None], held_out, in_sample) + shift
    evidence = Evidence(
        kind="leave_one_out" if several else "prior",
        base=found.at_zero[0],
        base_drop=found.base_before - found.at_zero[0],
        new=found.at_zero[1] if several else math.nan,
        harmonic=found.harmonic_at_zero if several else math.nan,
        log_loss=_log_loss(known, rows, on_known[rows] + shift, new, left_out, on_new),
        n_new=int(left_out.sum()),
    )
    recall = _recall(new, on_new, left_out)
    return Tried(form.name, form, columns.shifted(shift), on_known + shift, on_new, evidence, recall)


def prefer(tried: list[Tried]) -> Tried:
    """The first form, unless another's harmonic mean is higher by more than a standard error of the new photos' share.

    The offsets of the others were set on the same evidence, which favours them a little; the standard error makes up
    for it. A form that gains new photos at the cost of known ones does not replace the first, however high its mean.
    """
    first = tried[0]
    if first.evidence.kind == "prior":
        return first
    share = min(max(first.evidence.new, 0.05), 0.95)
    error = math.sqrt(share * (1 - share) / max(first.evidence.n_new, 1))
    bearable = first.evidence.base_drop + _MOST_EXTRA_DROP
    borne = [one for one in tried if one.evidence.base_drop <= bearable + _SAME]
    best = borne[first_of_the_best([-one.evidence.harmonic for one in borne], _SAME)]
    return best if best.evidence.harmonic > first.evidence.harmonic + error + _SAME else first


def _leave_out(form: Form, known: KnownClasses, new: NewClasses, folds: int) -> tuple[Tensor, Tensor]:
    """(n, K) and (m, K) scores of known and new photos by columns fitted without them.

    NaN for a class's only photo, and for all known photos where no new one is left out.
    """
    on_known = torch.full((len(known.labels), new.n_classes), float("nan"))
    on_new = torch.full((len(new.labels), new.n_classes), float("nan"))
    several = new.shots[new.labels] > 1
    n_folds = min(folds, int(new.shots.max()))
    for fold in range(n_folds if several.any() else 0):
        out, hidden = several & (new.place % n_folds == fold), known.place % n_folds == fold
        if out.any():
            columns = form.fit(known.hiding(hidden), new.rows(~out))
            on_new[out] = columns.scores(new.embeddings[out], known.logit_scale)
            on_known[hidden] = columns.scores(known.embeddings[hidden], known.logit_scale)
    return on_known, on_new


def _likeliest_shift(
    known: KnownClasses,
    new: NewClasses,
    on_known: Tensor,
    on_new: Tensor,
    rows: Tensor,
    left_out: Tensor,
    balance: float,
) -> float:
    """The common shift of all new columns with the lowest log-loss; classes are weighted as in the fit."""
    labels, new_labels = known.labels[rows], new.labels[left_out]
    first = 1 / torch.bincount(labels).double()[labels]
    second = 1 / torch.bincount(new_labels).double()[new_labels]
    second = second * ((new.n_classes / known.n_classes) ** (1 - balance) * first.sum() / second.sum())
    return best_shift(
        torch.cat([known.logits[rows], new.known_logits[left_out]]).logsumexp(1),
        torch.cat([on_known[rows], on_new[left_out]]).logsumexp(1),
        torch.arange(len(labels) + len(new_labels)) >= len(labels),
        torch.cat([first, second]),
    )


def _log_loss(
    known: KnownClasses, rows: Tensor, on_known: Tensor, new: NewClasses, left_out: Tensor, on_new: Tensor
) -> float:
    if not left_out.any():
        return math.nan
    return 0.5 * (
        _balanced_loss(torch.cat([known.logits[rows], on_known], 1), known.labels[rows])
        + _balanced_loss(torch.cat([new.known_logits, on_new], 1)[left_out], new.labels[left_out] + known.n_classes)
    )


def _balanced_loss(logits: Tensor, labels: Tensor) -> float:
    losses = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    weights = 1 / torch.bincount(labels).double()[labels]
    return float((weights * losses).sum() / weights.sum())


def _honest_offset(curve: SeenUnseen, several: bool) -> float:
    if several:
        return curve.best_offset
    # nothing shows the new class's gain: stay, or go down until the known photos lose no more than allowed
    return min(0.0, _highest_offset(curve, _MOST_DROP_UNSEEN))


def _highest_offset(curve: SeenUnseen, most_drop: float) -> float:
    """The highest shift at which the known photos lose no more than that."""
    kept = torch.nonzero(curve.base >= curve.base_before - most_drop - 1e-9).flatten()
    return float(curve.offsets[kept[-1]]) if len(kept) else float(curve.offsets[0])


def _recall(new: NewClasses, on_new: Tensor, left_out: Tensor) -> Tensor:
    answer = torch.cat([new.known_logits, on_new], 1).argmax(1) - new.known_logits.shape[1]
    right = ((answer == new.labels) & left_out).float()
    counts = torch.zeros(new.n_classes).index_add_(0, new.labels, left_out.float())
    return torch.zeros(new.n_classes).index_add_(0, new.labels, right) / counts  # 0 / 0 gives NaN, as documented
