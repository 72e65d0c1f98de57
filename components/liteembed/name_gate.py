"""The gate of names: whether a name's text embedding fits the photos of its class."""

from __future__ import annotations

import torch
from torch import Tensor

from components.liteembed.carriers import KnownClasses, NewClasses
from components.liteembed.vocabulary import Vocabulary

__all__ = ["asked_of_names", "name_scores"]


def name_scores(known: KnownClasses, new: NewClasses, vocabulary: Vocabulary) -> Tensor:
    """(K,) float32: standard deviations by which each name's similarity to its photos exceeds that of words for things.

    A part number or a brand scores like a word drawn at random, about 0; names that mean what the photos show score
    higher. Similarities are relative to the known classes' photos, since some words are similar to every picture. The
    reference is the names of things: every vocabulary has them, so starter and full judge alike.
    """
    assert new.text_embeddings is not None
    elsewhere = known.embeddings.mean(0)
    shift = torch.zeros(new.n_classes, new.embeddings.shape[1]).index_add_(0, new.labels, new.embeddings)
    shift = shift / new.shots[:, None] - elsewhere
    words = shift @ vocabulary.embeddings[vocabulary.things].T
    own = (shift * new.text_embeddings).sum(1)
    return (own - words.mean(1)) / words.std(1).clamp_min(1e-9)


def asked_of_names(shots: Tensor, gate: float) -> Tensor:
    """(K,) the score that each name must reach on its n photos: `gate n / (n + 1)`.

    With few photos the limit is lower: most names mean something, and a single photo may be untypical.
    """
    return gate * shots / (shots + 1)
