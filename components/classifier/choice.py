"""The honest choice: which head is shipped, at which temperature, and why; made without a query image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.classifier.calibration import (
    WantedAccuracy,
    abstention_threshold,
    fit_temperature,
    least_temperature,
    threshold_for,
)
from components.classifier.candidates import Candidate, HeldOut, held_out
from components.errors import UserInputError
from components.heads import Head, Support
from components.heads.pooling import first_of_the_best, log_loss

__all__ = ["Choice", "HeadVerdict", "choose"]

_VALIDATION_SHOTS = 4
_TIE = 1e-3  # nats


@dataclass(frozen=True)
class HeadVerdict:
    """The evidence about one candidate.

    Attributes:
        log_loss: nats per photo after temperature, lower is better; NaN without evidence.
        top1: share of right answers, 0 to 1; NaN without evidence.
        temperature: divides the logits of the head that is fitted on all photos.
        below_zero_shot: its share of right answers is lower than zero-shot's by more than a standard error.
    """

    log_loss: float
    top1: float
    temperature: float
    below_zero_shot: bool = False


@dataclass(frozen=True)
class Choice:
    """The head to ship, with the temperature and threshold that make answers of its scores.

    Attributes:
        name: of the candidate.
        head: fitted.
        temperature: logits are divided by it.
        threshold: a photo whose highest probability is lower is unknown; None if nothing says where to draw it.
        evidence: what the choice was made on: `out_of_fold`, `validation` or `prior`.
        why: one sentence for people.
        threshold_why: one sentence on the threshold if an accuracy was wanted; else empty.
        verdicts: of every candidate, by name.
        out_of_fold: (n, C) float32 logits of the clean rows from the first drawing of folds, NaN where never held out.
    """

    name: str
    head: Head
    temperature: float
    threshold: float | None
    evidence: str
    why: str
    verdicts: dict[str, HeadVerdict]
    out_of_fold: Tensor
    threshold_why: str = ""

    def calibrated(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with the temperatures that the evidence gave them."""
        return [replace(candidate, temperature=self.verdicts[candidate.name].temperature) for candidate in candidates]


def choose(
    candidates: Sequence[Candidate],
    support: Support,
    *,
    validation: Support | None = None,
    unknown_share: float = 0.05,
    wanted_accuracy: float | None = None,
) -> Choice:
    """The candidate with the lowest log-loss after temperature among those that are not below zero-shot.

    Args:
        candidates: fitted on `support`; other families pass candidates with their own out-of-fold logits.
        support: what they were fitted on.
        validation: further labelled photos that no candidate has seen. Of each class the first min(shots, 4) count.
            They replace the folds if there are no folds, or if they show that the folds are too optimistic. If they are
            as many as the support photos, temperature and threshold come from them: folds calibrate heads that saw
            fewer photos (error at 2, 4 and 8 photos per class 6.7, 3.4 and 1.9 %, by validation photos 3.2, 2.4 and
            2.2; docs/experiments/heads.md).
        unknown_share: share of held-out photos that may be taken for unknown.
        wanted_accuracy: share of the answers that shall be right, for which further photos may be unknown; see
            `calibration.threshold_for`. None: nothing is wanted.

    Raises:
        UserInputError: there is no candidate.
    """
    if not candidates:
        raise UserInputError(
            "no head can be fitted on these photos", on="classifier.heads", remedy="name a head that needs no words"
        )
    kind, evidence, calibrating = _evidence(candidates, support, validation)
    if len(next(iter(evidence.values())).labels) == 0:
        return _by_prior(candidates)
    verdicts = _verdicts(evidence, calibrating)
    allowed = {name: verdict for name, verdict in verdicts.items() if not verdict.below_zero_shot}
    by_prior = sorted((candidate for candidate in candidates if candidate.name in allowed), key=_prior)
    # a thousandth of a nat is no difference; prior knowledge decides among the best that are so close
    chosen = by_prior[first_of_the_best([allowed[each.name].log_loss for each in by_prior], _TIE)]
    name = chosen.name
    found = calibrating[name]
    probabilities = torch.softmax(found.logits.double() / verdicts[name].temperature, 1)
    threshold = abstention_threshold(probabilities, unknown_share, len(found.images.unique()))
    threshold_why = ""
    if wanted_accuracy is not None and threshold is not None:
        reach = threshold_for(probabilities, found.labels, wanted_accuracy)
        threshold_why = _reason_of_threshold(reach, wanted_accuracy)
        threshold = max(threshold, reach.threshold or 0.0)
    return Choice(
        name=name,
        head=chosen.head,
        temperature=verdicts[name].temperature,
        threshold=threshold,
        evidence=kind,
        why=_reason(name, verdicts, kind, len(evidence[name].images.unique())),
        verdicts=verdicts,
        out_of_fold=chosen.out_of_fold[0],
        threshold_why=threshold_why,
    )


def _reason_of_threshold(reach: WantedAccuracy, wanted: float) -> str:
    shares = f"{100 * reach.accuracy:.1f} % are right of the {100 * reach.coverage:.0f} %"
    if reach.threshold is None:
        return (
            f"{100 * wanted:.4g} % right answers cannot be had on this evidence: at best {shares} of held-out photos that are "
            "surest; the threshold stays as without it"
        )
    return f"{100 * wanted:.4g} % right answers are wanted: {shares} of held-out photos that are answered for it"


def _evidence(
    candidates: Sequence[Candidate], support: Support, validation: Support | None
) -> tuple[str, dict[str, HeldOut], dict[str, HeldOut]]:
    """The kind of evidence that heads are chosen on, that evidence, and the evidence that calibrates them."""
    from_folds = {candidate.name: held_out(candidate, support) for candidate in candidates}
    if validation is None:
        return "out_of_fold", from_folds, from_folds
    rows = _first_of_each_class(validation.clean, support.shots.clamp_max(_VALIDATION_SHOTS))
    on_validation = {
        candidate.name: HeldOut(candidate.head.scores(rows.features), rows.labels, rows.images)
        for candidate in candidates
    }
    n_folded = len(next(iter(from_folds.values())).labels)
    if len(rows) and (n_folded == 0 or _folds_flatter(from_folds, on_validation)):
        return "validation", on_validation, on_validation
    return "out_of_fold", from_folds, on_validation if len(rows) >= len(support.clean) else from_folds


def _folds_flatter(from_folds: dict[str, HeldOut], on_validation: dict[str, HeldOut]) -> bool:
    """Whether photos of a class resemble each other more than the photos that will be classified.

    Photos taken in bursts do: a fold holds out one photo of a burst and trains on the rest. The head that does best on
    the folds is then right less often on photos from elsewhere, by more than two standard errors.
    """

    def share_right(found: HeldOut) -> float:
        return float((found.logits.argmax(1) == found.labels).double().mean())

    best = max(from_folds, key=lambda name: share_right(from_folds[name]))
    outside = share_right(on_validation[best])
    error = math.sqrt(max(outside * (1 - outside), 1e-4) / len(on_validation[best].labels))
    return share_right(from_folds[best]) - outside > 2 * error


def _first_of_each_class(support: Support, most: Tensor) -> Support:
    seen, rows = [0] * support.n_classes, []
    for row, label in enumerate(support.labels.tolist()):
        if seen[label] < int(most[label]):
            seen[label] += 1
            rows.append(row)
    return support.rows(torch.tensor(rows, dtype=torch.int64))


def _verdicts(evidence: dict[str, HeldOut], calibrating: dict[str, HeldOut]) -> dict[str, HeadVerdict]:
    right = {name: _right_by_image(rows) for name, rows in evidence.items()}
    verdicts = {}
    for name, rows in evidence.items():
        temperature = fit_temperature(rows.logits, rows.labels)
        below = False
        if "zero_shot" in right and right[name].keys() == right["zero_shot"].keys():
            gain = torch.tensor([right[name][image] - right["zero_shot"][image] for image in right[name]])
            below = float(gain.mean()) + _standard_error(gain) < -1e-9  # one image fewer is not yet below
        verdicts[name] = HeadVerdict(
            log_loss=log_loss(rows.logits.double() / temperature, rows.labels),
            top1=float((rows.logits.argmax(1) == rows.labels).double().mean()),
            temperature=_temperature(calibrating[name]),
            below_zero_shot=below,
        )
    return verdicts


def _temperature(rows: HeldOut) -> float:
    return max(fit_temperature(rows.logits, rows.labels), least_temperature(rows.logits, len(rows.images.unique())))


def _right_by_image(rows: HeldOut) -> dict[int, float]:
    """Share of repeats in which each image was answered rightly; repeats of one image are no independent photos."""
    images, place = rows.images.unique(return_inverse=True)
    right = (rows.logits.argmax(1) == rows.labels).double()
    total = torch.zeros(len(images), dtype=torch.float64).index_add_(0, place, right)
    return dict(zip(images.tolist(), (total / torch.bincount(place)).tolist(), strict=True))


def _standard_error(values: Tensor) -> float:
    return float(values.double().std()) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def _reason(name: str, verdicts: dict[str, HeadVerdict], kind: str, n_images: int) -> str:
    where = {"out_of_fold": "held-out folds of the support set", "validation": "validation photos"}[kind]
    others = sorted((verdict.log_loss, other) for other, verdict in verdicts.items() if other != name)
    against = ", ".join(f"{other} {loss:.3f}" for loss, other in others[:2])
    barred = [other for other, verdict in verdicts.items() if verdict.below_zero_shot]
    return (
        f"{name} has the lowest log-loss, {verdicts[name].log_loss:.3f}, on {n_images} photos in {where}"
        + (f" ({against})" if against else "")
        + (f"; below zero-shot there and so left out: {', '.join(barred)}" if barred else "")
    )


def _by_prior(candidates: Sequence[Candidate]) -> Choice:
    chosen = min(candidates, key=_prior)
    return Choice(
        name=chosen.name,
        head=chosen.head,
        temperature=1.0,
        threshold=None,
        evidence="prior",
        why=(
            f"one photo a class leaves nothing to compare heads on: {chosen.name} is shipped on prior knowledge, "
            "its probabilities are not calibrated, and it never abstains"
        ),
        verdicts={candidate.name: HeadVerdict(math.nan, math.nan, 1.0) for candidate in candidates},
        out_of_fold=chosen.out_of_fold[0],
    )


def _prior(candidate: Candidate) -> tuple[int, str]:
    """The order that decides between candidates of equal evidence: lower is better."""
    return candidate.head.prior_rank, candidate.name
