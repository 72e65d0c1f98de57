"""The trainer of LDC, from features in memory, mapped from disk, or encoded anew at every step."""

from __future__ import annotations

import contextlib
import copy
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.backbone import Projector
from components.features.carriers import Features
from components.features.keys import LevelMode
from components.ldc.blocks import LowRankChange
from components.ldc.loss import loss_terms
from components.ldc.maf import ResNetLevel, ViTLevel
from components.ldc.model import LDC, Outputs
from components.ldc.optimiser import AdamW, cosine_rate
from components.ldc.recipe import Recipe
from components.ldc.shape import shape_for
from components.ldc.sources import StartLogits, ViewSource, in_mode

__all__ = [
    "EpochLoss",
    "Training",
    "epochs_of",
    "load_parts",
    "outputs_of",
    "train_ldc",
    "training_device",
]

_EPOCHS = 20  # where the recipe names no number; more gain nothing
_LEAST_STEPS = 40  # below that two dozen photos are not learnt
_ROWS_AT_ONCE = 256
_ROWS_FOR_SPREAD = 512  # rows on which the channels' standard deviations are measured
_LEAST_SPREAD = 1e-3  # share of the widest channel's

_initialising = threading.Lock()  # PyTorch initialises from the one generator that all threads share

OnEpoch = Callable[["EpochLoss"], None]


@dataclass(frozen=True)
class EpochLoss:
    """The figures of one epoch.

    Attributes:
        epoch: from 1.
        epochs: how many there are.
        loss: mean of the five weighted terms' sum over the epoch's images.
    """

    epoch: int
    epochs: int
    loss: float


def training_device(device: str = "auto") -> torch.device:
    """`auto`: CUDA where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def train_ldc(
    source: ViewSource,
    labels: Tensor,
    start: StartLogits,
    projector: Projector,
    recipe: Recipe,
    *,
    images: Tensor | None = None,
    seed: int = 0,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
) -> LDC:
    """Train an LDC to the end of its recipe; the arguments are those of `Training`.

    Returns:
        The model in evaluation mode, on the CPU.
    """
    training = Training(source, labels, start, projector, recipe, images=images, seed=seed, device=device)
    training.run(on_epoch=on_epoch)
    return training.model()


class Training:
    """One LDC in training on some or all of n images; the training can be paused, the model evaluated, and continued.

    The same seed gives the same weights on the same kind of machine, also if it was paused in between. On CUDA the
    forward pass runs under bfloat16 autocast where the device has it; norms, losses, weights and AdamW's moments stay
    in 32 bits (in 16, small second moments would vanish).

    Args:
        source: gives a batch's features, a view per image.
        labels: (n,) int64.
        start: gives a batch's logits (b, K) that ICD deconfuses.
        projector: the backbone's.
        recipe: how.
        images: those to train on, numbers below n; None: all.
        seed: of initialisation, batches, views and noise.
        device: `auto`, `cpu` or `cuda`.

    Attributes:
        recipe: how.
        epochs: of the whole training.
        log: a line for each epoch so far.
    """

    def __init__(
        self,
        source: ViewSource,
        labels: Tensor,
        start: StartLogits,
        projector: Projector,
        recipe: Recipe,
        *,
        images: Tensor | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.recipe, self.log = recipe, list[EpochLoss]()
        self._source, self._labels, self._start = source, labels, start
        self._device = training_device(device)
        self._random = torch.Generator().manual_seed(seed)
        self._images = torch.arange(len(labels)) if images is None else images
        sample = self._images[torch.randperm(len(self._images), generator=self._random)[:_ROWS_FOR_SPREAD]]
        seen = in_mode(source.batch(sample, self._random), recipe.level_mode)
        n_classes = start(sample[:1], seen[:1]).shape[1]
        self._model = _fresh(seen, n_classes, projector, recipe, seed).to(self._device).train()
        self._prepare = _Preparation(recipe, [_spread(level).to(self._device) for level in seen.levels], seed)
        self._optimiser = AdamW(self._model.parameters(), weight_decay=recipe.weight_decay, epsilon=recipe.epsilon)
        self._batches = math.ceil(len(self._images) / recipe.batch_size)
        self.epochs = epochs_of(recipe, len(self._images))

    def run(self, until: int | None = None, on_epoch: OnEpoch | None = None) -> None:
        """Train on until epoch `until` (None: the last) is done.

        Args:
            until: epoch number, counted from the beginning of the training.
            on_epoch: hears of each epoch.
        """
        while len(self.log) < (self.epochs if until is None else min(until, self.epochs)):
            self.log.append(EpochLoss(len(self.log) + 1, self.epochs, self._epoch(len(self.log) * self._batches)))
            if on_epoch is not None:
                on_epoch(self.log[-1])

    def model(self) -> LDC:
        """A copy of the model as it is now, in evaluation mode, on the CPU; training does not change it."""
        model = copy.deepcopy(self._model)
        self._prepare.move_into(model)
        return model.cpu().eval()

    def _epoch(self, step: int) -> float:
        """One epoch from step number `step` on; its mean loss."""
        recipe, total = self.recipe, torch.zeros((), device=self._device)
        order = self._images[torch.randperm(len(self._images), generator=self._random)]
        for batch in order.split(recipe.batch_size):
            read = in_mode(self._source.batch(batch, self._random), recipe.level_mode)
            logits, target = self._start(batch, read).to(self._device), self._labels[batch].to(self._device)
            read = _to(read, self._device)
            levels = [self._prepare(level, place) for place, level in enumerate(read.levels)]
            tokens = [self._prepare.token(token, place) for place, token in enumerate(read.class_tokens)]
            with _mixed_precision(self._device):
                loss = _loss(self._model, levels, tokens, logits, target, recipe, self._random)
            loss.backward()
            self._optimiser.step(cosine_rate(recipe.learning_rate, step, self.epochs * self._batches))
            total += loss.detach() * len(batch)
            step += 1
        return float(total) / len(self._images)


def epochs_of(recipe: Recipe, n_images: int) -> int:
    """How many epochs a training on so many images has under the limit of steps."""
    batches = math.ceil(n_images / recipe.batch_size)
    epochs = recipe.epochs or max(_EPOCHS, math.ceil(_LEAST_STEPS / batches))
    return epochs if recipe.most_steps is None else max(1, min(epochs, recipe.most_steps // batches))


@torch.no_grad()
def outputs_of(model: LDC, features: Features, rows: Tensor | None, start_logits: Tensor, mode: LevelMode) -> Outputs:
    """The model's outputs for the chosen rows (None: all), in evaluation mode, a few hundred at a time.

    Args:
        model: on the CPU.
        features: of which the rows are read.
        rows: (n,) int64.
        start_logits: (n, K) of the chosen rows.
        mode: the form of levels that the model reads.
    """
    rows = torch.arange(len(features)) if rows is None else rows
    parts = []
    for part, logits in zip(rows.split(_ROWS_AT_ONCE), start_logits.split(_ROWS_AT_ONCE), strict=True):
        if len(part):
            read = _to(in_mode(features[part], mode), torch.device("cpu"))
            parts.append(model(read.levels, read.class_tokens, logits))
    if not parts:
        none = start_logits[:0]
        return Outputs(features.embedding[:0], none, none, none, none, none[:, :1])
    return Outputs(*(torch.cat(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))


def load_parts(model: LDC, parts: dict[str, Tensor]) -> LDC:
    """Load learnt tensors into a model, which has its projector's tensors already."""
    left = model.load_state_dict(parts, strict=False)
    wrong = [*left.unexpected_keys, *(name for name in left.missing_keys if not name.startswith("maf.projector."))]
    if wrong:
        raise KeyError(", ".join(wrong))
    return model.eval()


def _loss(
    model: LDC,
    levels: list[Tensor],
    tokens: list[Tensor],
    start: Tensor,
    labels: Tensor,
    recipe: Recipe,
    random: torch.Generator,
) -> Tensor:
    if not recipe.mixup or len(labels) < 2:
        outputs = model(levels, tokens, start)
        return loss_terms(_in_32_bits(outputs), labels, recipe.loss_weights).sum()
    share = (torch.rand(len(labels), generator=random) / 2 + 0.5).to(start.device)  # of the larger part
    partner = torch.randperm(len(labels), generator=random).to(start.device)

    def mixed(rows: Tensor) -> Tensor:
        return torch.lerp(rows[partner], rows, share.view(-1, *[1] * (rows.ndim - 1)))

    outputs = model([mixed(level) for level in levels], [mixed(token) for token in tokens], mixed(start))
    targets = mixed(F.one_hot(labels, start.shape[1]).float())
    return loss_terms(_in_32_bits(outputs), targets, recipe.loss_weights).sum()


def _in_32_bits(outputs: Outputs) -> Outputs:
    return Outputs(*(tensor.float() for tensor in vars(outputs).values()))


def _fresh(features: Features, n_classes: int, projector: Projector, recipe: Recipe, seed: int) -> LDC:
    channels = tuple(level.shape[1] for level in features.levels)
    width = projector.width or channels[-1]  # width of the backbone's own embedding, without the encoder beside it
    shape = shape_for(channels, width, n_classes, projector, fusion=recipe.fusion, form=recipe.form)
    with _initialising, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LDC(shape, projector)
    if recipe.zero_residual:
        last = model.output_branch.last
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
    return model


class _Preparation:
    """Changes to levels while training: channels scaled to equal spread, and noise."""

    def __init__(self, recipe: Recipe, spreads: list[Tensor], seed: int) -> None:
        self._recipe, self._spreads = recipe, spreads
        # a channel that (almost) never fires must not be scaled up to the size of the others
        self._scales = [1 / spread.clamp_min(_LEAST_SPREAD * float(spread.max()) + 1e-12) for spread in spreads]
        self._noise = torch.Generator(device=spreads[0].device).manual_seed(seed)

    def __call__(self, level: Tensor, place: int) -> Tensor:
        even, size = self._recipe.even_channels, self._recipe.feature_noise
        if even:
            level = level * self._scales[place]
        if not size:
            return level
        noise = torch.randn(level.shape, generator=self._noise, device=level.device)
        spread = torch.ones_like(self._spreads[place]) if even else self._spreads[place]
        return torch.addcmul(level, spread, noise, value=size)

    def token(self, token: Tensor, place: int) -> Tensor:
        """A ViT's class token of a level goes through the same weights as the level."""
        return token * self._scales[place].flatten() if self._recipe.even_channels else token

    @torch.no_grad()
    def move_into(self, model: LDC) -> None:
        """Multiply the scaling of the channels into the weights that read them; the model then reads plain levels."""
        if self._recipe.even_channels:
            for adapter, scale in zip(model.maf.levels, self._scales, strict=True):
                assert isinstance(adapter, ResNetLevel | ViTLevel)
                linear = adapter.linear
                assert isinstance(linear, LowRankChange | nn.Linear)
                (linear.scale if isinstance(linear, LowRankChange) else linear.weight).mul_(scale.flatten())


def _spread(level: Tensor) -> Tensor:
    """Standard deviation of each channel over rows and positions, broadcastable to the level."""
    rows = level.float()
    return (
        rows.std((0, 2, 3), keepdim=True, correction=0) if rows.ndim == 4 else rows.std(0, keepdim=True, correction=0)
    )


def _to(features: Features, device: torch.device) -> Features:
    """On the device, in 32 bits, maps with their channels last."""

    def moved(tensor: Tensor) -> Tensor:
        if tensor.ndim == 4:
            return tensor.to(device).float().contiguous(memory_format=torch.channels_last)
        return tensor.to(device).float()

    return Features(features.embedding, tuple(map(moved, features.levels)), tuple(map(moved, features.class_tokens)))


@contextlib.contextmanager
def _mixed_precision(device: torch.device) -> Iterator[None]:
    if device.type != "cuda" or not torch.cuda.is_bf16_supported():
        yield
        return
    with torch.autocast("cuda", torch.bfloat16):
        yield
