"""Batch norms folded into the convolutions before them: a frozen tower computes the same with a third less work."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["fold_norms"]

_ALIKE = 1e-4  # share of the largest entry: what another order of the same sums may change


@torch.no_grad()
def fold_norms(visual: Any, image_size: int) -> Any:
    """The image tower with each batch norm that follows a convolution folded into it; the tower itself if none does.

    Which norm follows which convolution is read from the order in which a block lists them, which is a guess. So the
    folded tower is tried on a drawn image, and used only if its output equals the original tower's.

    Args:
        visual: open_clip's image tower, float32, on the CPU, in evaluation mode.
        image_size: side of the drawn image, in pixels.
    """
    folded = copy.deepcopy(visual)
    if not sum(_fold(module) for module in list(folded.modules())):
        return visual
    pixels = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    expected, found = (_embedding(tower(pixels)) for tower in (visual, folded))
    return folded if bool((expected - found).abs().max() <= _ALIKE * expected.abs().max()) else visual


def _fold(block: nn.Module) -> int:
    """Fold the norms among the block's own children; returns how many."""
    before: nn.Conv2d | None = None
    done = 0
    for name, child in list(block.named_children()):
        if isinstance(child, nn.Conv2d):
            before = child
            continue
        if before is not None and isinstance(child, nn.BatchNorm2d) and child.num_features == before.out_channels:
            _into(before, child)
            # timm's norm carries its activation.
            setattr(block, name, getattr(child, "act", nn.Identity()))
            done += 1
        before = None
    return done


def _into(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    gain = torch.rsqrt(variance.double() + norm.eps)
    if norm.weight is not None:
        gain = gain * norm.weight.double()
    bias = torch.zeros_like(mean) if convolution.bias is None else convolution.bias
    shift = (bias.double() - mean.double()) * gain
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    convolution.weight = _parameter(convolution.weight.double() * gain[:, None, None, None])
    convolution.bias = _parameter(shift)


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.float(), requires_grad=False)


def _embedding(answer: Any) -> Tensor:
    """The embedding of a tower's output, which may be a pair of embedding and tokens."""
    found: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return found
