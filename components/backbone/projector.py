"""The frozen last step of an image tower, from its last feature map to the embedding; LDC passes its own maps through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from components.backbone.last_step import attended, copied, latent_pool, linear_end, norm_and_linear, norm_tensors

__all__ = ["Projector", "projector_of"]

_POSITIONS = 4  # positions per side of the drawn maps that a projector is tried on
_ALIKE = {torch.float32: 1e-4, torch.bfloat16: 6e-2, torch.float16: 1e-2}  # share of the largest entry


@dataclass(frozen=True)
class Projector:
    """The weights of that step, on the CPU, float32.

    Attributes:
        kind: what it does with the last map:
            `attention_pool`: CLIP's ResNet; the mean position is the query, all positions and the mean are keys and
                values.
            `projection`: CLIP's ViT; a linear layer on the class token. Its layer norm before that is among the tensors,
            and the publication of LDC leaves it out.
            `token_linear`: layer norm and linear layer on the class token (timm's ViTs).
            `mean_linear`: the same on the mean over positions.
            `latent_pool`: a learnt query attends to all tokens; then come an MLP, a norm and a linear layer, if the
            tower has them (SigLIP, PE, CoCa).
        tensors: of an attention pool `positional_embedding` (1 + g g, C), `{query,key,value}_weight` (C, C) with
            `_bias` (C), `output_weight` (d, C) with `_bias` (d); of a projection `projection` (C, d), applied from the
            right, and `norm_*`; of the others see `components.backbone.last_step`.
        heads: of an attention pool or a latent pool; 0 for the others.
        patches: positions of the tower's whole last map, its class token not counted; 0 if the number is free.
    """

    kind: str
    tensors: dict[str, Tensor]
    heads: int
    patches: int

    @property
    def width(self) -> int | None:
        """d, of the embedding that it makes; None if it changes nothing and the last map is as wide."""
        if "projection" in self.tensors:
            return self.tensors["projection"].shape[1]
        last = ("output_weight", "norm_weight", "attended_weight", "value_weight")
        return next((len(self.tensors[name]) for name in last if name in self.tensors), None)


@torch.no_grad()
def projector_of(visual: Any) -> Projector | None:
    """The projector of an open_clip image tower; None if the tower ends in another way.

    Towers end in many ways, and a projector is put together from the parts that a tower has. So each projector but that
    of CLIP's ResNet is tried on drawn tokens, and used only if its output equals the tower's own.
    """
    pool = getattr(visual, "attnpool", None)
    if pool is not None and hasattr(pool, "c_proj"):
        tensors = {"positional_embedding": pool.positional_embedding}
        for ours, theirs in (("query", "q"), ("key", "k"), ("value", "v"), ("output", "c")):
            linear = getattr(pool, f"{theirs}_proj")
            tensors |= {f"{ours}_weight": linear.weight, f"{ours}_bias": linear.bias}
        return Projector("attention_pool", copied(tensors), int(pool.num_heads), len(pool.positional_embedding) - 1)
    for candidate in (_open_clip_vit, _timm_transformer, _timm_convolutional):
        projector = candidate(visual)
        if projector is not None:
            return projector
    return None


def _open_clip_vit(visual: Any) -> Projector | None:
    projection = getattr(visual, "proj", None)
    if not isinstance(projection, Tensor) or not hasattr(visual, "grid_size"):
        return None
    rows, columns = visual.grid_size
    tokens = _drawn(1 + _POSITIONS, len(visual.class_embedding), visual)
    own = visual._pool(tokens)[0] @ projection
    tensors = norm_tensors("norm", visual.ln_post) | {"projection": projection}
    if visual.attn_pool is None:
        found = Projector("projection", copied(tensors), 0, int(rows) * int(columns))
        return _checked(found, tokens, own, prefix=1)
    heads, pool = latent_pool(visual.attn_pool)
    tensors = pool | norm_tensors("norm", visual.ln_post) | {"output_weight": projection.T}
    return _checked(Projector("latent_pool", copied(tensors), heads, 0), tokens, own, prefix=1)


def _timm_transformer(visual: Any) -> Projector | None:
    trunk: Any = getattr(visual, "trunk", None)
    if not hasattr(trunk, "num_prefix_tokens"):
        return None
    prefix = int(trunk.num_prefix_tokens)
    tokens = _drawn(prefix + _POSITIONS, int(trunk.embed_dim), trunk)
    own = visual.head(trunk.forward_head(trunk.norm(tokens)))
    end = linear_end(trunk.get_classifier(), getattr(visual.head, "proj", None))
    if trunk.attn_pool is not None:
        heads, pool = latent_pool(trunk.attn_pool)
        tensors = norm_tensors("before", trunk.norm) | pool | norm_tensors("norm", trunk.fc_norm) | end
        return _checked(Projector("latent_pool", copied(tensors), heads, 0), tokens, own, prefix)
    norm = trunk.fc_norm if isinstance(trunk.norm, nn.Identity) else trunk.norm
    kind = "token_linear" if trunk.global_pool == "token" else "mean_linear"
    return _checked(Projector(kind, copied(norm_tensors("norm", norm) | end), 0, 0), tokens, own, prefix)


def _timm_convolutional(visual: Any) -> Projector | None:
    trunk = getattr(visual, "trunk", None)
    if trunk is None or hasattr(trunk, "num_prefix_tokens"):
        return None
    width = int(getattr(trunk, "head_hidden_size", None) or trunk.num_features)
    tokens = _drawn(_POSITIONS, width, trunk)
    side = int(_POSITIONS**0.5)
    try:
        own = visual.head(trunk.forward_head(tokens.mT.reshape(len(tokens), width, side, side)))
    except RuntimeError:  # its last step reads maps of another form
        return None
    end = linear_end(trunk.get_classifier(), getattr(visual.head, "proj", None))
    norm = norm_tensors("norm", getattr(getattr(trunk, "head", None), "norm", None))
    return _checked(Projector("mean_linear", copied(norm | end), 0, 0), tokens, own, prefix=0)


def _checked(projector: Projector, tokens: Tensor, own: Tensor, prefix: int) -> Projector | None:
    """The projector if it maps drawn tokens, `prefix` of them before the positions, as the tower does; else None."""
    ours = _applied(projector, tokens.float().cpu(), prefix)
    expected = own.float().cpu()
    alike = expected.shape == ours.shape and bool(
        (expected - ours).abs().max() <= _ALIKE[own.dtype] * expected.abs().max()
    )
    return projector if alike else None


def _applied(projector: Projector, tokens: Tensor, prefix: int) -> Tensor:
    """(n, d) of all tokens (n, T, C) of the last level."""
    if projector.kind == "latent_pool":
        return attended(projector.tensors, projector.heads, tokens)
    vectors = tokens[:, prefix:].mean(1) if projector.kind == "mean_linear" else tokens[:, 0]
    tensors: Mapping[str, Tensor] = projector.tensors
    if projector.kind == "projection":
        tensors = {**tensors, "output_weight": tensors["projection"].T}
    return norm_and_linear(tensors, vectors)


def _drawn(n_tokens: int, width: int, module: nn.Module) -> Tensor:
    """Tokens of two images, (2, n_tokens, width), on the device and of the type of the module's weights."""
    weight = next(module.parameters())
    tokens = torch.randn(2, n_tokens, width, generator=torch.Generator().manual_seed(0))
    return tokens.to(weight.device, weight.dtype)
