"""What is done to the trained image tower at last: its embedding is moved to where texts of new classes find it, and
the directions that no text uses are given to the pictures."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.pretrain.image import embed_pictures
from components.pretrain.pictures import Pictures

__all__ = ["logit_scale", "settle", "spare_directions", "text_metric", "use_spare_directions"]

_SAMPLE = 8192  # pictures that tell the mean and the scale
_SCALES = (5.0, 100.0)  # CLIP's own never exceeds 100


def text_metric(text_embeddings: Tensor, power: float) -> Tensor:
    """The covariance of the classes' text embeddings to the power `power`, `(embed_dim, embed_dim)`.

    It is scaled so that the classes differ by as much with it as without: one logit scale serves both.

    Args:
        text_embeddings: one row a class, `(classes, embed_dim)`.
        power: 0 leaves all directions alike; above, those in which the classes differ little count less.
    """
    centred = text_embeddings - text_embeddings.mean(dim=0)
    values, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    # One mean value is added to each, so that directions without any difference keep a small part.
    raised = (values.clamp(min=0) + values.mean()) ** power
    metric: Tensor = directions * raised @ directions.T
    scaled: Tensor = metric * (centred.norm() / (centred @ metric).norm())
    return scaled


@torch.no_grad()
def settle(
    visual: nn.Module, pictures: Pictures, rows: Tensor, text_embeddings: Tensor, emphasis: float, side: int
) -> None:
    """Change the last layer of `visual` in place: `text_metric` is applied and the mean picture taken away.

    The training tells its classes apart by whatever they differ in, down to directions that only a pair of them needs;
    for new classes these are noise, and the metric makes them shorter. What all pictures share pulls towards some texts
    whatever is seen: among its classes the training's loss evens that out, for new ones nothing does.

    Args:
        visual: the trained image tower.
        pictures: the training pictures.
        rows: those that were trained on.
        text_embeddings: one row a class of `pictures`, `(classes, embed_dim)`, unit length.
        emphasis: power of the metric.
        side: of the pictures, in pixels.
    """
    metric = text_metric(text_embeddings[torch.unique(pictures.labels[rows])], emphasis)
    last = _last_layer(visual)
    last.weight.copy_(metric @ last.weight)
    last.bias.copy_(metric @ last.bias)
    last.bias.sub_(embed_pictures(visual, pictures, side, _sample(rows), unit_length=False).mean(dim=0))


def spare_directions(text_projection: Tensor) -> Tensor:
    """Orthonormal directions, `(embed_dim, embed_dim - text_width)`, in which no text has a part.

    Args:
        text_projection: the text tower's last layer, `(text_width, embed_dim)`.
    """
    whole: Tensor = torch.linalg.qr(text_projection.T.float(), mode="complete")[0]
    return whole[:, text_projection.shape[0] :]


@torch.no_grad()
def use_spare_directions(
    visual: nn.Module, pictures: Pictures, rows: Tensor, spare: Tensor, share: float, side: int
) -> None:
    """Change the last layer of `visual` in place: `spare` directions carry what else the attention pool has found.

    The loss against texts gives these directions nothing to do. They get the pool's principal components over the
    training pictures, each divided by the square root of its spread (half way to whitening, so that a few large ones do
    not drown the rest). Which text is nearest to a picture does not change; pictures among themselves, and whatever is
    fitted on the embedding, gain.

    Args:
        visual: the settled image tower.
        pictures: the training pictures.
        rows: those that were trained on.
        spare: see `spare_directions`.
        share: mean squared length of the spare part over that of the texts' part; 0 leaves it empty.
        side: of the pictures, in pixels.
    """
    last = _last_layer(visual)
    found = _attended(visual, pictures, rows, side)
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
def logit_scale(visual: nn.Module, pictures: Pictures, rows: Tensor, text_embeddings: Tensor, side: int) -> float:
    """The logit scale that fits the finished embedding best, by the cross-entropy over the trained classes.

    Args: see `settle`.
    """
    sample = _sample(rows)
    kept = torch.unique(pictures.labels[rows])
    cosines = embed_pictures(visual, pictures, side, sample) @ text_embeddings[kept].T
    place = torch.searchsorted(kept, pictures.labels[sample])
    scales = torch.linspace(*_SCALES, steps=96)
    losses = torch.stack([F.cross_entropy(scale * cosines, place) for scale in scales])
    return float(scales[losses.argmin()])


def _attended(visual: nn.Module, pictures: Pictures, rows: Tensor, side: int) -> Tensor:
    """What the last layer reads, `(n, width of the last level)`, of a sample of the pictures."""
    pool = cast(Any, visual).attnpool
    last, width = pool.c_proj, pool.c_proj.in_features
    pool.c_proj = nn.Linear(width, width)
    pool.c_proj.weight.copy_(torch.eye(width))
    pool.c_proj.bias.zero_()
    try:
        return embed_pictures(visual, pictures, side, _sample(rows), unit_length=False)
    finally:
        pool.c_proj = last


def _last_layer(visual: nn.Module) -> Any:
    return cast(Any, visual).attnpool.c_proj


def _sample(rows: Tensor) -> Tensor:
    return rows[:: max(1, len(rows) // _SAMPLE)]
