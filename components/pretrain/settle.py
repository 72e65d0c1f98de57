"""What is done to the trained image tower at last: its embedding is moved to where texts of new classes find it."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.pretrain.image import embed_pictures
from components.pretrain.pictures import Pictures

__all__ = ["settle", "text_metric"]

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
) -> float:
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

    Returns:
        The logit scale that fits the settled embedding best, by the cross-entropy over the trained classes.
    """
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    kept = torch.unique(pictures.labels[rows])
    metric = text_metric(text_embeddings[kept], emphasis)
    last = cast(Any, visual).attnpool.c_proj
    last.weight.copy_(metric @ last.weight)
    last.bias.copy_(metric @ last.bias)
    last.bias.sub_(embed_pictures(visual, pictures, side, sample, unit_length=False).mean(dim=0))

    cosines = embed_pictures(visual, pictures, side, sample) @ text_embeddings[kept].T
    place = torch.searchsorted(kept, pictures.labels[sample])
    scales = torch.linspace(*_SCALES, steps=96)
    losses = torch.stack([F.cross_entropy(scale * cosines, place) for scale in scales])
    return float(scales[losses.argmin()])
