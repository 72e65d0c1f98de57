"""A bundle of drawn photos."""

import copy
import dataclasses
import pickle
from collections.abc import Sequence

from torch import Tensor

from components.classifier import Bundle, Candidate, SupportRecord, choose, fit_candidates
from components.heads import Support
from components.ingest import Limits

_fitted: dict[bytes, tuple[Bundle, list[Candidate]]] = {}


def drawn_bundle(
    support: Support, heads: list[str] | None = None, names: Sequence[str] = ()
) -> tuple[Bundle, list[Candidate]]:
    """What `fitted_bundle` gives, fitted once in a process: dozens of tests start from the same photos."""
    asked = pickle.dumps((_content(support), heads, tuple(names)))
    if asked not in _fitted:
        _fitted[asked] = fitted_bundle(support, heads, names)
    return copy.deepcopy(_fitted[asked])


def _content(value: object) -> object:
    """Tensors by their numbers: pickled as they are, equal ones differ by where they lie in memory."""
    if isinstance(value, Tensor):
        return (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
    if dataclasses.is_dataclass(value):
        return [_content(getattr(value, each.name)) for each in dataclasses.fields(value)]
    return [_content(each) for each in value] if isinstance(value, tuple) else value


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
