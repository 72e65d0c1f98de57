"""Every head measured once: on query images, or out of fold where there are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.artefacts import Pair
from components.bank import AnswerBatch, Answering
from components.classifier import Candidate, Reliability, expected_calibration_error, held_out, reliability
from components.evaluate.metrics import Confused, Figures, confused_pairs, confusion, figures
from components.evaluate.query import Query
from components.features import Features
from components.heads import Support
from components.ldc import LdcHead, mean_residual

__all__ = ["Evaluation", "evaluate"]

_BEFORE = ("zero_shot", "nearest_mean")
_LDC_START = "ldc_start"
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        evidence: `query` or `out_of_fold`.
        n_query: number of query images; None without a query split.
        heads: figures by head, of photos of trained classes, the shipped head's as it answers beside the added ones;
            empty if nothing could be measured.
        uncalibrated_ece: of each head's raw logits, by head.
        shipped: name of the head in the bundle.
        class_names: of the C trained and K added classes, as in the data.
        display_names: the same as words.
        n_trained: C.
        n_support: labelled photos behind trained and added classes.
        threshold: under which a photo is unknown; None: no photo is.
        probabilities: (n, C + K), what answers. Without a query split the last photos are those of the added classes,
            each answered by columns that had not seen it.
        labels: (n,) int64.
        abstained: (n,) bool.
        likely: (n, C + K) bool, see `components.bank.likely`.
        photos: SHA-256 of each of the n photos; empty if the query photos have none.
        answers_of: (n,) int64 by head: the class that each head takes a photo for; -1 of photos of added classes, which
            heads are not asked about. The shipped head answers beside the added classes. If LDC is a candidate and
            there is a query, `ldc_start` has the answers of the logits that LDC starts from.
        version: of the classifier that answers.
        raw: confidence against accuracy of the shipped head's uncalibrated scores; None if nothing was measured.
        residual: (C, C) float64 of LDC where it is a candidate and there is a query, see `components.ldc.mean_residual`.
        confused: pairs of classes that what is shipped mistakes most, worst first.
        before: whose mistakes `Confused.before` counts: `zero_shot` or `nearest_mean`; where LDC is shipped, what it
            started from (`ldc_start`). Of photos of added classes: the trained classes alone.
    """

    evidence: str
    n_query: int | None
    heads: dict[str, Figures]
    uncalibrated_ece: dict[str, float]
    shipped: str
    class_names: tuple[str, ...]
    display_names: tuple[str, ...]
    n_trained: int
    n_support: int
    threshold: float | None
    probabilities: Tensor
    labels: Tensor
    abstained: Tensor
    likely: Tensor
    photos: tuple[str, ...]
    answers_of: dict[str, Tensor]
    version: str
    raw: Reliability | None
    residual: Tensor | None
    confused: list[Confused]
    before: str


def evaluate(
    candidates: Sequence[Candidate],
    answering: Answering,
    support: Support,
    query: Query | None = None,
    *,
    ldc_pairs: Sequence[Pair] = (),
) -> Evaluation:
    """Measure the candidates and the classifier that answers, on `query`, or without one on held-out photos.

    Args:
        candidates: with their temperatures (`Choice.calibrated`, `load_candidates`).
        answering: the bundle, whose head is one of them, with its bank.
        support: what they were fitted on.
        query: None or empty if every photo is support.
        ldc_pairs: LDC's confused pairs, out of fold; used if LDC is shipped and there is no query.
    """
    bundle, bank = answering.bundle, answering.bank
    shipped, n_trained = bundle.head.state().name, len(bundle.class_names)
    query = query if query is not None and len(query) > 0 else None
    asked = _ask_held_out(candidates, answering, support) if query is None else _ask_query(candidates, answering, query)
    logits, labels, answers = asked.logits, asked.labels, asked.answers
    n_rows = len(labels) - len(asked.alone)
    calibrated = {each.name: torch.softmax(logits[each.name] / each.temperature, 1) for each in candidates}
    calibrated[shipped] = answers.probabilities[:n_rows]
    answers_of = {name: _padded(each.argmax(1), len(labels)) for name, each in calibrated.items()}
    answers_of[shipped] = answers.probabilities.argmax(1)
    start_scores, residual = _of_ldc(candidates, query)
    if start_scores is not None:
        answers_of[_LDC_START] = start_scores.argmax(1)
    before = next((name for name in _BEFORE if name in calibrated), shipped)
    start = calibrated[before]
    if isinstance(bundle.head, LdcHead):
        before, start = _LDC_START, start if start_scores is None else start_scores
    was = _confused_before(start, asked, n_trained + len(bank))
    if before == _LDC_START and query is None:
        _put_pairs(was, ldc_pairs, n_trained)
    return Evaluation(
        evidence="out_of_fold" if query is None else "query",
        n_query=None if query is None else len(query),
        heads={name: figures(each, labels[:n_rows]) for name, each in calibrated.items() if n_rows},
        uncalibrated_ece=_uncalibrated(logits, labels[:n_rows]) if n_rows else {},
        shipped=shipped,
        class_names=(*bundle.class_names, *bank.names),
        display_names=(*bundle.display_names, *bank.names),
        n_trained=n_trained,
        n_support=len(bank.known.labels),
        threshold=answering.threshold,
        probabilities=answers.probabilities,
        labels=labels,
        abstained=answers.abstained,
        likely=answers.likely,
        photos=asked.photos,
        answers_of=answers_of,
        version=bank.version,
        raw=reliability(torch.softmax(logits[shipped], 1), labels[:n_rows]) if n_rows else None,
        residual=residual,
        confused=confused_pairs(was, confusion(answers.probabilities, labels)),
        before=before,
    )


@dataclass(frozen=True)
class _Asked:
    """The photos that are measured on, and the answer to each.

    Attributes:
        logits: of each candidate, `(photos that all were asked about, trained classes)`.
        labels: `(photos,)`, as columns of the answers.
        answers: `(photos, all classes)`.
        alone: logits `(photos, trained classes)` of the last photos, which only the bank held out; empty with a query.
        photos: ids of the photos.
    """

    logits: dict[str, Tensor]
    labels: Tensor
    answers: AnswerBatch
    alone: Tensor
    photos: tuple[str, ...]


def _ask_query(candidates: Sequence[Candidate], answering: Answering, query: Query) -> _Asked:
    return _Asked(
        logits={candidate.name: _by_parts(candidate.head.scores, query.features) for candidate in candidates},
        labels=query.labels,
        answers=answering.of_logits(
            _by_parts(lambda part: answering.bank.logits(answering.bundle, part), query.features)
        ),
        alone=torch.empty(0, len(answering.bundle.class_names)),
        photos=query.image_ids,
    )


def _by_parts(scores: Callable[[Features], Tensor], features: Features) -> Tensor:
    """The scores of all rows, of some at a time: what a head holds beside its scores does not grow with the photos."""
    starts = range(0, max(1, len(features)), _ROWS_AT_ONCE)
    return torch.cat([scores(features[start : start + _ROWS_AT_ONCE]) for start in starts])


def _ask_held_out(candidates: Sequence[Candidate], answering: Answering, support: Support) -> _Asked:
    """Out of fold: photos of trained classes that every candidate held out, then the bank's of added classes."""
    bundle, known = answering.bundle, answering.bank.known
    n_trained = len(bundle.class_names)
    logits, rows = _held_out_by_all(candidates, support)
    added = torch.nonzero(known.held_out & (known.labels >= n_trained)).flatten()
    every = torch.cat([rows, added])
    photos = answering.bank.known_photos(bundle)
    return _Asked(
        logits=logits,
        labels=known.labels[every],
        answers=answering.of_logits(known.logits[every]),
        alone=known.logits[added][:, :n_trained],
        photos=tuple(photos[row] for row in every.tolist()),
    )


def _confused_before(start: Tensor, asked: _Asked, n_classes: int) -> Tensor:
    """What was taken for what by the scores `start` `(photos that all were asked about, C)`, `(n_classes, n_classes)`."""
    return confusion(torch.cat([_beside(start, n_classes), _beside(asked.alone, n_classes)]), asked.labels)


def _put_pairs(was: Tensor, pairs: Sequence[Pair], n_trained: int) -> None:
    """The confusion with the trained classes' part replaced by LDC's own counts out of fold."""
    was[:n_trained, :n_trained] = 0.0
    for pair in pairs:
        was[pair.label, pair.taken_for] = pair.before


def _uncalibrated(logits: dict[str, Tensor], labels: Tensor) -> dict[str, float]:
    return {name: expected_calibration_error(torch.softmax(raw, 1), labels) for name, raw in logits.items()}


def _of_ldc(candidates: Sequence[Candidate], query: Query | None) -> tuple[Tensor | None, Tensor | None]:
    """What LDC started from (n, C), and its mean residual (C, C), on query photos; None without LDC or without them."""
    head = next((candidate.head for candidate in candidates if isinstance(candidate.head, LdcHead)), None)
    if head is None or query is None:
        return None, None
    outputs = head.outputs(query.features)
    return outputs.clip, mean_residual(outputs, query.labels)


def _padded(answers: Tensor, n: int) -> Tensor:
    return torch.nn.functional.pad(answers, (0, n - len(answers)), value=-1)


def _beside(scores: Tensor, n_classes: int) -> Tensor:
    """Scores (n, C) widened to (n, n_classes), so that an unknown class is never the answer."""
    return torch.nn.functional.pad(scores, (0, n_classes - scores.shape[1]), value=-math.inf)


def _held_out_by_all(candidates: Sequence[Candidate], support: Support) -> tuple[dict[str, Tensor], Tensor]:
    """Each candidate's logits of the same photos, from the first drawing of folds, which is the same for all; and the
    photos' places among the clean rows of the support set.
    """
    first = [replace(candidate, out_of_fold=candidate.out_of_fold[:1]) for candidate in candidates]
    images = [set(held_out(candidate, support).images.tolist()) for candidate in first]
    shared = torch.tensor(sorted(set.intersection(*images)) if images else [], dtype=torch.int64)
    logits = {}
    for candidate in first:
        found = held_out(candidate, support)
        logits[candidate.name] = found.logits[torch.isin(found.images, shared)]
    return logits, torch.nonzero(torch.isin(support.clean.images, shared)).flatten()
