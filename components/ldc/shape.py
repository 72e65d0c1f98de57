"""LDC's widths, by backbone and task, as published or compact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from components.backbone import Projector


__all__ = ["FORMS", "Form", "Shape", "shape_for"]

Form = Literal["published", "compact"]
FORMS: tuple[Form, ...] = get_args(Form)

_VIT_MLP_HIDDEN = 2048  # the published constant
_COMPACT_RANK = 2
_COMPACT_LOUDNESS = 4.0
_COMPACT_LEVEL_WEIGHTS = 150_000  # of the layers that read the levels: the compact form must not save on them


@dataclass(frozen=True)
class Shape:
    """Widths of an LDC.

    Attributes:
        level_channels: of the four levels, c_1 to c_4.
        map_width: C, of the fused map; the last level's.
        embedding_width: d.
        n_classes: K.
        fusion: 1 mean of the levels, 2 weights 0.1 to 0.4, 3 learnt.
        mlp_hidden: inner width of the MLP head.
        fusion_hidden: inner width of the learnt fusion.
        branch_hidden: inner and outer width of ICD's branches.
        gate_hidden: inner width of the gate.
        rank: linear layers learn a change of this rank to fixed random weights; None: they learn all weights.
        level_rank: rank of the layers that read the levels; None: as the others.
        loudness: factor of such a change: it starts at zero, and must grow as far as full weights do at the same
            learning rate.
    """

    level_channels: tuple[int, ...]
    map_width: int
    embedding_width: int
    n_classes: int
    fusion: int
    mlp_hidden: int
    fusion_hidden: int
    branch_hidden: int
    gate_hidden: int
    rank: int | None = None
    level_rank: int | None = None
    loudness: float = 1.0


def shape_for(
    level_channels: tuple[int, ...],
    embedding_width: int,
    n_classes: int,
    projector: Projector,
    *,
    fusion: int = 2,
    form: Form = "published",
) -> Shape:
    """The published widths, or a form under 0.3 million weights for d = 512 and 100 classes.

    The publication has RN50's widths as constants. Here they follow the backbone: C is the last level's width, the
    learnt fusion has the same width, everything else has the embedding's width, and a ViT's MLP head has an inner width
    of 2048.
    """
    width = level_channels[-1]
    if form == "compact":
        d = embedding_width
        level_rank = max(_COMPACT_RANK, _COMPACT_LEVEL_WEIGHTS // sum(channels + width for channels in level_channels))
        return Shape(
            level_channels, width, d, n_classes, fusion, d, width, d, d, _COMPACT_RANK, level_rank, _COMPACT_LOUDNESS
        )
    from components.ldc.projection import reads_positions  # it loads torch, which the settings do not need

    mlp = embedding_width if reads_positions(projector) else _VIT_MLP_HIDDEN
    return Shape(
        level_channels, width, embedding_width, n_classes, fusion, mlp, width, embedding_width, embedding_width
    )
