"""What is done at last to the trained image tower's last layer: it is trained anew so that new classes are found too, and
the directions that no text uses are given to the pictures."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.pretrain.image import embed_pictures
from components.pretrain.parameters import Settling
from components.pretrain.pictures import Pictures

__all__ = ["attended", "last_layer", "logit_scale", "settle", "spare_directions", "use_spare_directions"]

_SCALES = (5.0, 100.0)  # CLIP's own never exceeds 100


def last_layer(visual: nn.Module) -> nn.Linear:
    """The layer of the image tower that gives the embedding, from the attention pool's width to `embed_dim`."""
    layer: nn.Linear = cast(Any, visual).attnpool.c_proj
    return layer


@torch.no_grad()
def attended(visual: nn.Module, pictures: Pictures, rows: Tensor, side: int) -> Tensor:
    """What the last layer reads of each of `rows`, `(n, width of the pool)`, at `side` pixels, without augmentation."""
    last = last_layer(visual)
    identity = nn.Linear(last.in_features, last.in_features)
    identity.weight.copy_(torch.eye(last.in_features))
    identity.bias.zero_()
    pool = cast(Any, visual).attnpool
    pool.c_proj = identity
    try:
        return embed_pictures(visual, pictures, side, rows, unit_length=False)
    finally:
        pool.c_proj = last


def settle(
    last: nn.Linear, found: Tensor, labels: Tensor, text_embeddings: Tensor, settling: Settling, seed: int
) -> None:
    """Train the last layer anew, in place, on what the finished tower reads, most of it dropped at each step.

    Trained along with the tower, on blended pictures and with a logit scale that grows, the layer tells its classes apart
    by whatever they differ in, down to directions that only a pair of them needs; for new classes these are noise. A low
    scale, held, leaves no gain in them, and what is dropped at random cannot be relied on. The mean picture is taken
    away: what all pictures share pulls towards some texts whatever is seen.

    Args:
        last: see `last_layer`.
        found: what it reads of the training pictures, `(n, width)`; see `attended`.
        labels: class of each, `(n,)`, rows of `text_embeddings`.
        text_embeddings: one row a class, `(classes, embed_dim)`, unit length.
        settling: steps, batch, rate, scale and how much is dropped.
        seed: of the batches and of what is dropped.
    """
    mean = found.mean(dim=0)
    kept, place = torch.unique(labels, return_inverse=True)
    columns = text_embeddings[kept] - text_embeddings[kept].mean(dim=0)
    weight = last.weight.detach().clone()
    # One learning rate for every tower.
    weight /= ((found - mean) @ weight.T).norm(dim=1).mean().clamp(min=torch.finfo(torch.float32).tiny)
    weight.requires_grad_()
    optimiser = torch.optim.Adam([weight])
    generator = torch.Generator().manual_seed(seed)
    for step in range(settling.steps):
        drawn = torch.randint(len(found), (settling.batch,), generator=generator)
        read = found[drawn] - mean
        read = read * (torch.rand(read.shape, generator=generator) >= settling.dropout)
        loss = F.cross_entropy(settling.scale * F.normalize(read @ weight.T, dim=1) @ columns.T, place[drawn])
        optimiser.param_groups[0]["lr"] = settling.learning_rate * (1 - step / settling.steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        last.weight.copy_(weight)
        last.bias.copy_(-weight @ mean)


def spare_directions(text_projection: Tensor) -> Tensor:
    """Orthonormal directions, `(embed_dim, embed_dim - text_width)`, in which no text has a part.

    Args:
        text_projection: the text tower's last layer, `(text_width, embed_dim)`.
    """
    whole: Tensor = torch.linalg.qr(text_projection.T.float(), mode="complete")[0]
    return whole[:, text_projection.shape[0] :]


@torch.no_grad()
def use_spare_directions(last: nn.Linear, found: Tensor, spare: Tensor, share: float) -> None:
    """Change the last layer in place: `spare` directions carry what else the attention pool has found.

    The loss against texts gives these directions nothing to do. They get the pool's principal components over the
    training pictures, each divided by the square root of its spread (half way to whitening, so that a few large ones do
    not drown the rest). Which text is nearest to a picture does not change; pictures among themselves, and whatever is
    fitted on the embedding, gain.

    Args:
        last: the settled layer.
        found: what it reads of the training pictures, `(n, width)`; see `attended`.
        spare: see `spare_directions`.
        share: mean squared length of the spare part over that of the texts' part; 0 leaves it empty.
    """
    mean = found.mean(dim=0)
    spreads, directions = torch.linalg.eigh((found - mean).T @ (found - mean) / len(found))
    n = min(spare.shape[1], len(spreads))
    spreads, directions = spreads.flip(0)[:n].clamp(min=0), directions.flip(1)[:, :n]
    components = directions * (spreads + 1e-4 * spreads.mean()) ** -0.25

    keep = torch.eye(len(spare)) - spare @ spare.T
    weight, bias = keep @ last.weight, keep @ last.bias
    texts_part = (found @ weight.T + bias).square().sum(dim=1).mean()
    spare_part = ((found - mean) @ components).square().sum(dim=1).mean()
    more = (share * texts_part / spare_part).sqrt() * spare[:, :n] @ components.T
    last.weight.copy_(weight + more)
    last.bias.copy_(bias - more @ mean)


@torch.no_grad()
def logit_scale(embeddings: Tensor, labels: Tensor, text_embeddings: Tensor) -> float:
    """The logit scale that fits the finished embedding best, by the cross-entropy over the trained classes.

    Args:
        embeddings: of training pictures, `(n, embed_dim)`, unit length.
        labels: class of each, `(n,)`, rows of `text_embeddings`.
        text_embeddings: one row a class, `(classes, embed_dim)`, unit length.
    """
    kept, place = torch.unique(labels, return_inverse=True)
    cosines = embeddings @ text_embeddings[kept].T
    scales = torch.linspace(*_SCALES, steps=96)
    losses = torch.stack([F.cross_entropy(scale * cosines, place) for scale in scales])
    return float(scales[losses.argmin()])
