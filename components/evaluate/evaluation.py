"""Every head measured once: on query images, or out of fold where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.classifier import Bundle, Candidate, expected_calibration_error, held_out
from components.evaluate.metrics import Confused, Figures, confused_pairs, confusion, figures
from components.evaluate.query import Query
from components.heads import Support
from components.ldc import LdcHead, Pair, deconfused

__all__ = ["Evaluation", "evaluate"]

_BEFORE = ("zero_shot", "nearest_mean")
_LDC_START = "ldc_start"


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        evidence: `query` or `out_of_fold`.
        n_query: number of query images; None without a query split.
        heads: figures by head; empty where nothing could be measured.
        uncalibrated_ece: of each head's raw logits, by head.
        shipped: name of the head in the bundle.
        probabilities: (n, C), the shipped head's.
        labels: (n,) int64.
        abstained: (n,) bool.
        confused: pairs of classes mistaken most, before or after.
        before: whose mistakes `Confused.before` counts: `zero_shot` or `nearest_mean`; where LDC is shipped, what it
            started from (`ldc_start`), so that the pairs are those that it parts and leaves.
    """

    evidence: str
    n_query: int | None
    heads: dict[str, Figures]
    uncalibrated_ece: dict[str, float]
    shipped: str
    probabilities: Tensor
    labels: Tensor
    abstained: Tensor
    confused: list[Confused]
    before: str


def evaluate(
    candidates: Sequence[Candidate],
    bundle: Bundle,
    support: Support,
    query: Query | None = None,
    *,
    ldc_pairs: Sequence[Pair] = (),
) -> Evaluation:
    """Measure the candidates, and the bundle as it answers, on `query`, or on their out-of-fold logits without one.

    Args:
        candidates: with their temperatures (`Choice.calibrated`, `load_candidates`).
        bundle: whose head is one of them.
        support: what they were fitted on.
        query: None or empty where every photo is support.
        ldc_pairs: those that LDC parts and leaves out of fold; looked at where it is shipped and there is no query.
    """
    shipped = bundle.head.state().name
    logits: dict[str, Tensor] = {}
    if query is not None and len(query) > 0:
        labels = query.labels
        logits = {candidate.name: candidate.head.scores(query.features) for candidate in candidates}
        answers, abstained = bundle.predict(query.features)
    else:
        query = None
        logits, labels = _held_out_by_all(candidates, support)
        answers = torch.softmax(logits[shipped] / bundle.temperature, 1)
        abstained = answers.max(1).values < (bundle.threshold or 0.0)
    if len(labels) == 0:
        return Evaluation("out_of_fold", None, {}, {}, shipped, answers, labels, abstained, [], shipped)
    calibrated = {
        candidate.name: torch.softmax(logits[candidate.name] / candidate.temperature, 1) for candidate in candidates
    }
    calibrated[shipped] = answers
    before = next((name for name in _BEFORE if name in calibrated), shipped)
    confused = confused_pairs(confusion(calibrated[before], labels), confusion(answers, labels))
    if isinstance(bundle.head, LdcHead):
        if query is not None:
            outputs = bundle.head.outputs(query.features)
            ldc_pairs = deconfused(outputs, bundle.head.mixed(outputs), labels)
        before = _LDC_START
        confused = [Confused(pair.label, pair.taken_for, pair.before, pair.after) for pair in ldc_pairs]
    return Evaluation(
        evidence="out_of_fold" if query is None else "query",
        n_query=None if query is None else len(query),
        heads={name: figures(probabilities, labels) for name, probabilities in calibrated.items()},
        uncalibrated_ece={
            name: expected_calibration_error(torch.softmax(raw, 1), labels) for name, raw in logits.items()
        },
        shipped=shipped,
        probabilities=answers,
        labels=labels,
        abstained=abstained,
        confused=confused,
        before=before,
    )


def _held_out_by_all(candidates: Sequence[Candidate], support: Support) -> tuple[dict[str, Tensor], Tensor]:
    """Each candidate's logits of the same photos, and their labels: the first drawing of folds, which all went through."""
    first = [replace(candidate, out_of_fold=candidate.out_of_fold[:1]) for candidate in candidates]
    images = [set(held_out(candidate, support).images.tolist()) for candidate in first]
    shared = torch.tensor(sorted(set.intersection(*images)) if images else [], dtype=torch.int64)
    logits, labels = {}, torch.empty(0, dtype=torch.int64)
    for candidate in first:
        found = held_out(candidate, support)
        kept = torch.isin(found.images, shared)
        logits[candidate.name], labels = found.logits[kept], found.labels[kept]
    return logits, labels
