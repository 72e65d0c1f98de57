"""The image tower's last layer: it maps pictures to their classes' names, and fills unused directions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from components.errors import UserInputError
from components.pretrain.parameters import LastLayer

__all__ = ["class_prototypes", "logit_scale", "spare_directions", "text_map", "use_spare_directions"]

_SCALES = (5.0, 100.0)  # CLIP's own never exceeds 100


def class_prototypes(rows: Tensor, found: Tensor, labels: Tensor, known: Tensor, shrinkage: float) -> Tensor:
    """Where the pictures of each class lie around the mean picture, `(classes, width)`, of classes without pictures too.

    Classes of a common spread are told apart best by rows that are the inverse of that spread times the classes' means
    (linear discriminant analysis), and the trunk's own classifier was trained to be the best. So its rows times the spread
    are the means, but for a common length, which the classes with pictures tell.

    Args:
        rows: of the trunk's own classifier, `(classes, width)`.
        found: features of pictures, `(n, width)`.
        labels: class of each, `(n,)`.
        known: row of each of these classes among `rows`, -1 if it is not known, `(classes with pictures,)`.
        shrinkage: share of the identity in the spread of all pictures, which few of them cannot tell in full.

    Raises:
        UserInputError: fewer than two classes with pictures are among the rows.
    """
    centred = found - found.mean(dim=0)
    spread = centred.T @ centred / len(found)
    even = torch.eye(len(spread)) * spread.trace() / len(spread)
    prototypes = (rows - rows.mean(dim=0)) @ torch.lerp(spread, even, shrinkage)
    seen = known >= 0
    if int(seen.sum()) < 2:
        raise UserInputError(
            "fewer than two classes of the pictures have a name that the trunk's classifier knows",
            on="classes.csv",
            remedy="give pictures of ImageNet's classes, under the lexicon's names",
        )
    means, theirs = _class_means(found, labels, len(known))[seen], prototypes[known[seen]]
    means, theirs = means - means.mean(dim=0), theirs - theirs.mean(dim=0)
    scaled: Tensor = prototypes * (means * theirs).sum() / theirs.square().sum()
    return scaled


def text_map(
    prototypes: Tensor, found: Tensor, labels: Tensor, texts: Tensor, parameters: LastLayer, seed: int
) -> Tensor:
    """The linear map `(embed_dim, width)` by which pictures find their classes' names: trained on made-up features.

    A made-up picture of a class is its prototype and what a real picture, of any class, has beside its own class's mean.
    The loss is the cross-entropy over all classes of cosines to their texts at a low scale that is held, which leaves no
    gain in directions that only a pair of classes needs; most of a feature is dropped at random, so that none is relied
    on. It starts from ridge regression of the texts on the prototypes.

    Args:
        prototypes: see `class_prototypes`.
        found: features of pictures, `(n, width)`.
        labels: class of each, `(n,)`.
        texts: text embedding of each prototype's class, `(classes, embed_dim)`; only how they differ counts.
        parameters: steps, batch, rate, scale and how much is dropped.
        seed: of everything drawn.
    """
    columns = texts - texts.mean(dim=0)
    beside = found - _class_means(found, labels, int(labels.max()) + 1)[labels]
    weight = _ridge(prototypes, F.normalize(columns, dim=1))
    weight = (weight / (prototypes @ weight.T).norm(dim=1).mean()).requires_grad_()
    optimiser = torch.optim.Adam([weight])
    draw = torch.Generator().manual_seed(seed)
    for step in range(parameters.steps):
        of = torch.randint(len(prototypes), (parameters.batch,), generator=draw)
        read = prototypes[of] + beside[torch.randint(len(beside), (parameters.batch,), generator=draw)]
        read = read * (torch.rand(read.shape, generator=draw) >= parameters.dropout)
        loss = F.cross_entropy(parameters.scale * F.normalize(read @ weight.T, dim=1) @ columns.T, of)
        optimiser.param_groups[0]["lr"] = parameters.learning_rate * (1 - step / parameters.steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    learnt: Tensor = weight.detach()
    return learnt


def _ridge(inputs: Tensor, wanted: Tensor) -> Tensor:
    gram = inputs.T @ inputs
    gram.diagonal().add_(gram.trace() / len(gram))
    solved: Tensor = torch.linalg.solve(gram, inputs.T @ wanted)
    return solved.T.contiguous()


def _class_means(found: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
    means: Tensor = torch.zeros(n_classes, found.shape[1]).index_add_(0, labels, found) / counts[:, None]
    return means


def spare_directions(text_projection: Tensor) -> Tensor:
    """Orthonormal directions, `(embed_dim, embed_dim - text_width)`, in which no text has a part.

    Args:
        text_projection: the text tower's last layer, `(text_width, embed_dim)`.
    """
    whole: Tensor = torch.linalg.qr(text_projection.T.float(), mode="complete")[0]
    return whole[:, text_projection.shape[0] :]


def use_spare_directions(weight: Tensor, found: Tensor, spare: Tensor, share: float) -> Tensor:
    """The last layer's weight with the `spare` directions carrying what else the trunk has found, `(embed_dim, width)`.

    They get the features' principal components over the training pictures, each divided by the square root of its spread
    (half way to whitening, so that a few large ones do not drown the rest). Which text is nearest to a picture does not
    change; pictures among themselves, and whatever is fitted on the embedding, gain.

    Args:
        weight: see `text_map`.
        found: features of the training pictures, `(n, width)`.
        spare: see `spare_directions`.
        share: mean squared length of the spare part over that of the texts' part; 0 leaves it empty.
    """
    centred = found - found.mean(dim=0)
    spreads, directions = torch.linalg.eigh(centred.T @ centred / len(found))
    n = min(spare.shape[1], len(spreads))
    spreads, directions = spreads.flip(0)[:n].clamp(min=0), directions.flip(1)[:, :n]
    components = directions * (spreads + 1e-4 * spreads.mean()) ** -0.25
    kept = weight - spare @ (spare.T @ weight)
    texts_part = (centred @ kept.T).square().sum(dim=1).mean()
    spare_part = (centred @ components).square().sum(dim=1).mean()
    whole: Tensor = kept + (share * texts_part / spare_part).sqrt() * spare[:, :n] @ components.T
    return whole


def logit_scale(embeddings: Tensor, labels: Tensor, text_embeddings: Tensor) -> float:
    """The logit scale that fits embeddings best, by the cross-entropy over their classes.

    Args:
        embeddings: of pictures, `(n, embed_dim)`, unit length.
        labels: class of each, `(n,)`, rows of `text_embeddings`.
        text_embeddings: one row per class, `(classes, embed_dim)`, unit length.
    """
    kept, place = torch.unique(labels, return_inverse=True)
    cosines = embeddings @ text_embeddings[kept].T
    scales = torch.linspace(*_SCALES, steps=96)
    losses = torch.stack([F.cross_entropy(scale * cosines, place) for scale in scales])
    return float(scales[losses.argmin()])
