"""The known classes as columns of their own, for where the classifier that knows them cannot go."""

from __future__ import annotations

import torch

from components.liteembed.carriers import Columns, KnownClasses

__all__ = ["columns_of_known"]


def columns_of_known(known: KnownClasses) -> Columns:
    """An affine stand-in for the live classifier on its own classes: (C, d) vectors and (C,) offsets.

    Each class is its name beside a linear discriminant of its photos, as loud as both speak on photos that took no part
    (`Voices.beside`), all at the level of the classifier's calibrated logits, so that added columns may stand beside.
    """
    gaussian = known.gaussian
    weights, offsets = gaussian.rows(gaussian.means + gaussian.centre, known.shots)
    photos, name = known.voices.beside
    vectors = (photos / known.logit_scale * weights).float()
    if known.text_embeddings is not None:
        vectors = vectors + name * known.text_embeddings
    columns = Columns(vectors, (photos * offsets).float())
    mine = columns.scores(known.embeddings, known.logit_scale)
    rows = known.held_out if known.held_out.any() else torch.ones_like(known.held_out)
    return columns.shifted((known.logits.logsumexp(1) - mine.logsumexp(1))[rows].double().mean().float())
