"""Candidates: heads fitted on the support set, and what each says of photos that it was not fitted on."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.classifier.registry import CLASSIFIER_HEADS, fit_head, head_from_state, usable_heads
from components.errors import UserInputError
from components.files import write_bytes, write_json
from components.heads import Head, HeadState, Support

__all__ = ["Candidate", "HeldOut", "fit_candidate", "fit_candidates", "held_out", "load_candidates", "save_candidates"]

_VERSION = 1
_ROWS_ENOUGH = 800  # held-out rows beyond which drawing the folds again adds time and no evidence


@dataclass(frozen=True)
class Candidate:
    """A fitted head with its out-of-fold logits.

    Attributes:
        name: in metrics and reports.
        head: fitted on the whole support set.
        out_of_fold: (repeats, n, C) float32: of the clean view of each image (the rows of `support.clean`), from heads
            fitted without the image's fold; NaN if an image is never held out.
        temperature: logits divided by it are calibrated; 1 until a choice has found it.
    """

    name: str
    head: Head
    out_of_fold: Tensor
    temperature: float = 1.0


@dataclass(frozen=True)
class HeldOut:
    """Logits of rows that the head behind them has not learnt from.

    Attributes:
        logits: (m, C).
        labels: (m,) int64.
        images: (m,) int64, the image of each row; an image occurs once per repeat.
    """

    logits: Tensor
    labels: Tensor
    images: Tensor


def fit_candidates(
    support: Support, names: Sequence[str] | None = None, progress: Callable[[str], None] | None = None
) -> list[Candidate]:
    """Fit the named heads (all that the stage classifier fits where None) that this support set can feed, each with its out-of-fold logits."""
    candidates = []
    for name in usable_heads(support, CLASSIFIER_HEADS if names is None else names):
        if progress is not None:
            progress(name)
        candidates.append(fit_candidate(name, partial(fit_head, name), support))
    return candidates


def fit_candidate(name: str, fit: Callable[[Support], Head], support: Support) -> Candidate:
    """Fit one head on the whole support set, and once more without each of its folds.

    The fits run side by side, each with one thread of arithmetic, so that the number of cores changes no bit.
    """
    clean = support.clean
    row_of = {image: row for row, image in enumerate(clean.images.tolist())}
    folds_of = support.folds[: max(1, math.ceil(_ROWS_ENOUGH / max(1, len(clean))))]
    scores = torch.full((len(folds_of), len(clean), support.n_classes), float("nan"))

    def score_fold(repeat: int, fold: int) -> None:
        folds = folds_of[repeat]
        tested = torch.nonzero((folds == fold) & (support.views == 0)).flatten()
        if len(tested):
            fitted = fit(support.rows(folds != fold))
            place = [row_of[image] for image in support.images[tested].tolist()]
            scores[repeat, place] = fitted.scores(support.features[tested])

    with ThreadPoolExecutor(os.cpu_count() or 1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        whole = pool.submit(fit, support)
        parts = [
            pool.submit(score_fold, repeat, fold)
            for repeat, folds in enumerate(folds_of)
            for fold in range(int(folds.max()) + 1)
        ]
        for part in parts:
            part.result()
        return Candidate(name, whole.result(), scores)


def held_out(candidate: Candidate, support: Support) -> HeldOut:
    """The candidate's out-of-fold logits as rows, repeats one after the other; photos never held out are left out."""
    clean = support.clean
    if candidate.out_of_fold.shape[1:] != (len(clean), support.n_classes):
        raise ValueError(
            f"{candidate.name}: out-of-fold logits are {tuple(candidate.out_of_fold.shape)}; "
            f"expected (repeats, {len(clean)}, {support.n_classes})"
        )
    there = ~candidate.out_of_fold.isnan().any(2)
    rows = torch.nonzero(there)[:, 1]
    return HeldOut(candidate.out_of_fold[there], clean.labels[rows], clean.images[rows])


def save_candidates(candidates: Sequence[Candidate], folder: Path, *, exactly: bool = False) -> None:
    """Write every candidate to `folder`: one safetensors file each and `candidates.json`; the same input, the same bytes.

    Out-of-fold logits are kept in half precision, since only figures are made from them and no choice; `exactly` keeps
    their full precision.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for candidate in candidates:
        state = candidate.head.state()
        tensors = {f"head.{name}": tensor.contiguous() for name, tensor in state.tensors.items()}
        tensors["out_of_fold"] = candidate.out_of_fold if exactly else candidate.out_of_fold.half()
        write_bytes(folder / f"{candidate.name}.safetensors", save(tensors))
    heads = [
        {
            "name": candidate.name,
            "head": candidate.head.state().name,
            "settings": candidate.head.state().settings,
            "temperature": candidate.temperature,
        }
        for candidate in candidates
    ]
    write_json(folder / "candidates.json", {"version": _VERSION, "candidates": heads})


def load_candidates(folder: Path) -> list[Candidate]:
    """What `save_candidates` wrote, in its order.

    Raises:
        UserInputError: the folder is missing, half there, or of another version.
    """
    remedy = "run the stage classifier again"
    try:
        listed = json.loads((folder / "candidates.json").read_text(encoding="utf-8"))
        if listed["version"] != _VERSION:
            raise UserInputError(
                f"version {listed['version']}; this one reads {_VERSION}", on=str(folder), remedy=remedy
            )
        candidates = []
        for entry in listed["candidates"]:
            tensors = load((folder / f"{entry['name']}.safetensors").read_bytes())
            out_of_fold = tensors.pop("out_of_fold").float()
            learnt = {name.removeprefix("head."): tensor for name, tensor in tensors.items()}
            head = head_from_state(HeadState(entry["head"], learnt, entry["settings"]))
            candidates.append(Candidate(entry["name"], head, out_of_fold, entry["temperature"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserInputError("the fitted heads cannot be read", on=str(folder), remedy=remedy) from error
    return candidates
