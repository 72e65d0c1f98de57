"""A bundle of drawn photos."""

import copy
import pickle
from collections.abc import Sequence

from components.classifier import Bundle, Candidate, SupportRecord, choose, fit_candidates
from components.heads import Support
from components.ingest import Limits

_fitted: dict[bytes, tuple[Bundle, list[Candidate]]] = {}


def drawn_bundle(
    support: Support, heads: list[str] | None = None, names: Sequence[str] = ()
) -> tuple[Bundle, list[Candidate]]:
    """What `fitted_bundle` gives, fitted once in a process: dozens of tests start from the same photos."""
    asked = pickle.dumps((support, heads, tuple(names)))
    if asked not in _fitted:
        _fitted[asked] = fitted_bundle(support, heads, names)
    return copy.deepcopy(_fitted[asked])


def fitted_bundle(
    support: Support, heads: list[str] | None = None, names: Sequence[str] = ()
) -> tuple[Bundle, list[Candidate]]:
    """The bundle that `support` leads to, and the candidates it was chosen from; `names` are its last classes'."""
    candidates = fit_candidates(support, heads)
    choice = choose(candidates, support)
    clean = support.clean
    names = (*(f"cls_{label:02}" for label in range(support.n_classes - len(names))), *names)
    bundle = Bundle(
        class_names=names,
        display_names=tuple(f"kind {label} キズ" for label in range(support.n_classes)),
        head=choice.head,
        temperature=choice.temperature,
        threshold=choice.threshold,
        backbone={"name": "drawn", "weights": "0" * 64},
        logit_scale=support.logit_scale,
        templates=("a photo of a {}.",),
        split={
            name: [f"{name}-{image}" for image in range(int(count))]
            for name, count in zip(names, clean.shots, strict=True)
        },
        why=choice.why,
        evidence=choice.evidence,
        support=SupportRecord(
            clean.features.embedding,
            clean.labels,
            clean.groups,
            choice.out_of_fold,
            choice.head.scores(clean.features),
            support.covariance,
        ),
        limits=Limits(max_pixels=1_000_000),
        text_embeddings=support.text_embeddings,
        provenance={"seed": support.seed},
    )
    return bundle, choice.calibrated(candidates)
