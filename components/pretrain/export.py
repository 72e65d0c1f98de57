"""The finished model as files: open_clip's `local-dir:` format in half precision, and the generic covariance."""

from pathlib import Path

import torch
from torch import Tensor, nn

from components.files import atomic_path, write_json
from components.pretrain.architecture import preprocess_config
from components.pretrain.parameters import Architecture

__all__ = ["export_model", "within_class_covariance"]


def export_model(model: nn.Module, architecture: Architecture, covariance: Tensor, folder: Path) -> None:
    """Write `open_clip_config.json`, `open_clip_model.safetensors` and `covariance.safetensors` into `folder`.

    Args:
        model: both towers; stored in float16, counters as they are.
        architecture: what the model was built from.
        covariance: the generic within-class covariance, `(embed_dim, embed_dim)`; stored as `s0`, float16.
        folder: made when missing; each file is replaced atomically.
    """
    from safetensors.torch import save_file

    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for name, value in model.state_dict().items()
    }
    with atomic_path(folder / "open_clip_model.safetensors") as beside:
        save_file(tensors, beside)
    with atomic_path(folder / "covariance.safetensors") as beside:
        save_file({"s0": covariance.half().contiguous()}, beside)
    write_json(
        folder / "open_clip_config.json",
        {"model_cfg": architecture.model_config(), "preprocess_cfg": preprocess_config(architecture)},
    )


def within_class_covariance(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Pooled covariance of unit-length embeddings around their class means, scaled to trace `embed_dim`.

    Args:
        embeddings: `(n, embed_dim)`.
        labels: `(n,)`, int64.
    """
    classes, position = torch.unique(labels, return_inverse=True)
    sums = torch.zeros(len(classes), embeddings.shape[1]).index_add_(0, position, embeddings)
    centred = embeddings - (sums / torch.bincount(position)[:, None])[position]
    covariance = centred.T @ centred
    return covariance * (embeddings.shape[1] / covariance.trace())
