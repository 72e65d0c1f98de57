"""From pixels to probabilities as one PyTorch module, and that module as an ONNX graph.

The module calls the very code that answers everywhere else (`Backbone.encode_images`, `level_features`, the head, the
bank's columns); heads whose steps depend on their input's numbers are written here in a form that a graph can hold.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from torch.nn import functional as F

from components.backbone import Backbone
from components.bank import Bank
from components.classifier import Bundle
from components.features import Features, level_features
from components.heads import Head
from components.heads.map_lr import MapLR
from components.heads.tip_adapter import TipAdapter
from components.ldc import LdcHead
from components.ldc.start import StoredStart

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OPSET", "PixelsToAnswer", "traced_graph"]

OPSET = 17  # ONNX Runtime 1.15 and later, on every device that it has


class PixelsToAnswer(nn.Module):
    """Photos as 8-bit RGB pixels, resized and cropped, to embeddings and calibrated probabilities.

    Args:
        backbone: in single precision, on the CPU.
        bundle: made with it.
        bank: the classes added beside it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, bundle: Bundle, bank: Bank) -> None:
        super().__init__()
        preprocessing = backbone.identity.preprocessing
        self.register_buffer("mean", torch.tensor(preprocessing["mean"]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing["std"]).view(3, 1, 1))
        self._backbone, self._bundle, self._bank = backbone, bundle, bank
        self._head = copy.deepcopy(bundle.head)
        if isinstance(self._head, LdcHead):
            self._head.model_.requires_grad_(False)  # a graph holds constants, no trainable parameters

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(n, height, width, 3) uint8 to embeddings (n, d), unit length, and probabilities (n, C + K)."""
        pixels = (photos.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        head = self._head
        encoded = self._backbone.encode_images(pixels, levels=True)
        features = level_features(encoded, head.level_mode)
        logits = _scores(head, features) / self._bundle.temperature
        if len(self._bank):
            added = self._bank.columns.scores(features.embedding, self._bundle.logit_scale)
            logits = torch.cat([logits, added], 1)
        return features.embedding, torch.softmax(logits, 1)


def _scores(head: Head, features: Features) -> Tensor:
    """`head.scores` without steps that depend on the numbers or on the number of rows."""
    match head:
        case LdcHead():
            start = head.start_
            logits = _map_lr(start.head, features) if isinstance(start, StoredStart) else start.scores(features)
            levels = tuple(level.float() for level in features.levels)
            tokens = tuple(token.float() for token in features.class_tokens)
            return head.mixed(head.model_(levels, tokens, logits))
        case MapLR():
            return _map_lr(head, features)
        case TipAdapter():
            labels = torch.repeat_interleave(torch.arange(len(head.shots_)), head.shots_)
            classes = F.one_hot(labels, len(head.shots_)).float()
            affinity = torch.exp(-head.beta_ * (1 - features.embedding @ head.keys_.T))
            return features.embedding @ head.text_.T + head.alpha_ * (affinity @ classes)
        case _:
            return head.scores(features)


def _map_lr(head: MapLR, features: Features) -> Tensor:
    whitened = head.whiten(features)
    scores = whitened @ head.weight_ + head.bias_
    if bool(head.quadratic_.any()):  # known when the graph is made
        scores = scores + whitened.square() @ head.quadratic_
    return scores if head.text_ is None else scores + features.embedding @ head.text_.T


@contextlib.contextmanager
def _spelt_out_attention() -> Iterator[None]:
    """Attention as products and a softmax: PyTorch's fused operator has no counterpart in ONNX."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def _spelt_out_pooling() -> Iterator[None]:
    """Averages down to a grid as products: the exporter's own form has to know sizes that timm's "same" padding hides."""
    before = F.adaptive_avg_pool2d

    def averaged(maps: Tensor, grid: Any) -> Tensor:
        to = (grid, grid) if isinstance(grid, int) else tuple(grid)
        if to == (1, 1):
            return before(maps, grid)
        rows, columns = (_windows(int(size), int(n)) for size, n in zip(maps.shape[2:], to, strict=True))
        return rows @ maps @ columns.T

    F.adaptive_avg_pool2d = averaged  # type: ignore[assignment]
    try:
        yield
    finally:
        F.adaptive_avg_pool2d = before


def _windows(size: int, n: int) -> Tensor:
    """(n, size): the share of each place in the mean of each of n windows, as PyTorch's adaptive pooling cuts them."""
    places = torch.arange(size)
    first = torch.arange(n) * size // n
    behind = -(-(torch.arange(n) + 1) * size // n)
    inside = (places >= first[:, None]) & (places < behind[:, None])
    return inside / inside.sum(1, keepdim=True)


def traced_graph(module: PixelsToAnswer, side_px: tuple[int, int]) -> ModelProto:
    """The module as an ONNX graph of `photos` to `embedding` and `probabilities`, for any number of photos.

    Args:
        module: what is traced.
        side_px: height and width of the photos.
    """
    import onnx

    example = torch.zeros(2, *side_px, 3, dtype=torch.uint8)
    axes = {name: {0: "batch"} for name in ("photos", "embedding", "probabilities")}
    with (
        warnings.catch_warnings(),
        torch.no_grad(),
        _spelt_out_attention(),
        _spelt_out_pooling(),
        tempfile.NamedTemporaryFile(suffix=".onnx") as file,
    ):
        # The tracer warns of each value that Python reads; trying other batches shows whether one of them mattered.
        # It is also the older of PyTorch's two exporters, and says so: the newer one takes twenty times as long for the
        # same graph.
        warnings.simplefilter("ignore", TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding|Exporting a model to ONNX", UserWarning)
        torch.onnx.export(
            module.eval(),
            (example,),
            file.name,
            dynamo=False,
            opset_version=OPSET,
            input_names=["photos"],
            output_names=["embedding", "probabilities"],
            dynamic_axes=axes,
        )
        return onnx.load(file.name)
