"""The image tower: trained to find its class among the text embeddings of all classes, which stay as they are."""

import copy
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from components.pretrain.architecture import encode_images
from components.pretrain.augment import mix, normalise, random_views
from components.pretrain.journal import Journal
from components.pretrain.muon import Muon
from components.pretrain.parameters import ImageTraining, PretrainParameters
from components.pretrain.pictures import Pictures

__all__ = ["embed_pictures", "steps_of", "train_image_tower"]


def steps_of(training: ImageTraining, n_pictures: int) -> list[tuple[int, int]]:
    """(last step, pixels) of each stage."""
    ends: list[tuple[int, int]] = []
    for epochs, side in training.stages:
        steps = max(1, round(epochs * n_pictures / training.batch))
        ends.append(((ends[-1][0] if ends else 0) + steps, side))
    return ends


@sdpa_kernel(SDPBackend.MATH)  # on a CPU the fused kernel's backward pass is slower
def train_image_tower(
    visual: nn.Module,
    pictures: Pictures,
    text_embeddings: Tensor,
    parameters: PretrainParameters,
    journal: Journal,
    name: str = "image",
) -> nn.Module:
    """Train `visual` on `pictures`; goes on from the journal's checkpoint where there is one.

    The loss is the cross-entropy over the classes, of the cosines times a learnt scale.

    Args:
        visual: the image tower, changed in place.
        pictures: what to learn from.
        text_embeddings: one row a class of `pictures`, `(classes, embed_dim)`, unit length; not trained.
        parameters: `image`, `left_out`, `seed`, `threads`, `bfloat16` and `checkpoint_every` are read.
        journal: log and checkpoint.
        name: of the checkpoint.

    Returns:
        The moving average of the tower's weights.
    """
    training = parameters.image
    rows = pictures.rows_without(parameters.left_out)
    ends = steps_of(training, len(rows))
    n_steps = ends[-1][0]
    cast(Any, visual).to(memory_format=torch.channels_last)  # torch declares no types for this form
    learner = _Learner(visual, _Goal.of(pictures, rows, text_embeddings), training)
    average = copy.deepcopy(visual).eval()
    optimisers = _optimisers(learner, training, parameters.threads)
    step = 0
    state = journal.load(name, parameters.digest())
    if state is not None:
        step = int(state["step"])
        learner.load_state_dict(state["learner"])
        average.load_state_dict(state["average"])
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
    workers = _Workers(learner, parameters.threads)
    learner.train()
    started, seen, running = time.perf_counter(), 0, 0.0
    while step < n_steps:
        side = next(pixels for end, pixels in ends if step < end)
        batch = _rows_of(step, rows, training.batch, parameters.seed)
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = training.learning_rate * _schedule(step, n_steps, training.warmup_steps)
        # Every step draws from its own seed: a run that was stopped goes on with the numbers that it would have had.
        seed = (parameters.seed * 1_000_003 + step) * 64
        learner.zero_grad(set_to_none=True)
        running += workers.gradients(pictures, batch, side, seed, parameters.bfloat16) * len(batch)
        nn.utils.clip_grad_norm_(visual.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        learner.log_scale.data.clamp_(max=math.log(100))
        step += 1
        _move_average(average, visual, min(training.averaging, (1 + step) / (10 + step)))
        seen += len(batch)
        if step % 100 == 0 or step == n_steps:
            journal.record(
                "image_step",
                step=step,
                of=n_steps,
                side=side,
                loss=round(running / seen, 4),
                scale=round(learner.scale, 2),
                images_per_s=round(seen / (time.perf_counter() - started), 1),
            )
            started, seen, running = time.perf_counter(), 0, 0.0
        if step % parameters.checkpoint_every == 0 or step == n_steps:
            journal.save(
                name,
                parameters.digest(),
                {
                    "step": step,
                    "learner": learner.state_dict(),
                    "average": average.state_dict(),
                    "optimisers": [optimiser.state_dict() for optimiser in optimisers],
                },
            )
    return average


@torch.no_grad()
def embed_pictures(
    visual: nn.Module,
    pictures: Pictures,
    side: int,
    rows: Tensor | None = None,
    *,
    unit_length: bool = True,
    batch: int = 128,
) -> Tensor:
    """Embeddings `(n, embed_dim)` of all pictures or of `rows`, at `side` pixels, without augmentation."""
    visual.eval()
    parts: list[Tensor] = []
    for chunk in (torch.arange(len(pictures.labels)) if rows is None else rows).split(batch):
        values = F.interpolate(
            normalise(pictures.batch(chunk)), size=(side, side), mode="bicubic", antialias=True, align_corners=False
        )
        parts.append(encode_images(visual, values.contiguous(memory_format=torch.channels_last)))
    embeddings = torch.cat(parts)
    return F.normalize(embeddings, dim=1) if unit_length else embeddings


def _rows_of(step: int, rows: Tensor, batch: int, seed: int) -> Tensor:
    per_epoch = len(rows) // batch
    if per_epoch == 0:  # fewer pictures than one batch
        return rows
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed * 7919 + epoch))
    return rows[order[place * batch : (place + 1) * batch]]


def _schedule(step: int, n_steps: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))


def _optimisers(learner: "_Learner", training: ImageTraining, threads: int) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions, AdamW for the rest; without Muon, AdamW for all.

    The attention pool's matrices are so large that making their steps orthogonal costs more than it gains.
    """
    convolutions = [weight for weight in learner.parameters() if weight.ndim == 4 and training.muon_momentum > 0]
    chosen = {id(weight) for weight in convolutions}
    weights = [weight for weight in learner.parameters() if weight.ndim > 1 and id(weight) not in chosen]
    gains = [parameter for parameter in learner.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": training.weight_decay},
        {"params": gains, "weight_decay": 0.0},
    ]
    optimisers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)]
    if convolutions:
        rate, momentum, decay = training.learning_rate, training.muon_momentum, training.weight_decay
        optimisers.append(Muon(convolutions, rate, momentum, decay, threads))
    return optimisers


@torch.no_grad()
def _move_average(average: nn.Module, visual: nn.Module, decay: float) -> None:
    means, values = list(average.state_dict().values()), list(visual.state_dict().values())
    real = [index for index, mean in enumerate(means) if mean.is_floating_point()]
    torch._foreach_lerp_([means[index] for index in real], [values[index] for index in real], 1 - decay)
    for index in set(range(len(means))) - set(real):  # batch counters
        means[index].copy_(values[index])


@dataclass(frozen=True)
class _Goal:
    """What an image embedding should resemble: the text embedding of its class among those of all classes.

    Attributes:
        columns: one row a trained class, `(classes, embed_dim)`.
        position: row of each class of the pictures, -1 where it is not trained.
    """

    columns: Tensor
    position: Tensor

    @classmethod
    def of(cls, pictures: Pictures, rows: Tensor, text_embeddings: Tensor) -> "_Goal":
        kept = torch.unique(pictures.labels[rows])
        # Softmax ignores what all columns share; taken out once, it costs no precision.
        columns = text_embeddings[kept] - text_embeddings[kept].mean(dim=0)
        return cls(columns, torch.full((len(pictures.folders),), -1).scatter(0, kept, torch.arange(len(kept))))


class _Learner(nn.Module):
    """The tower with its logit scale and its goal: from pictures to a loss."""

    def __init__(self, visual: nn.Module, goal: _Goal, training: ImageTraining) -> None:
        super().__init__()
        self.visual = visual
        self.log_scale = nn.Parameter(torch.tensor(math.log(training.initial_scale)))
        self.goal = goal
        self.training_parameters = training

    @property
    def scale(self) -> float:
        return float(self.log_scale.detach().exp())

    def loss(self, pictures: Pictures, rows: Tensor, side: int, seed: int, bfloat16: bool) -> Tensor:
        training, goal = self.training_parameters, self.goal
        generator = torch.Generator().manual_seed(seed)
        views = random_views(
            pictures.batch(rows),
            side,
            zoom=training.zoom,
            colour=training.colour,
            erasing=training.erasing,
            generator=generator,
        )
        targets = F.one_hot(goal.position[pictures.labels[rows]], len(goal.columns)).float()
        if float(torch.rand((), generator=generator)) < training.mixing:
            views, targets = mix(views, targets, generator=generator)
        views = views.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            embeddings = encode_images(self.visual, views)
        cosines = F.normalize(embeddings.float(), dim=1) @ goal.columns.T
        return F.cross_entropy(self.log_scale.exp() * cosines, targets, label_smoothing=training.label_smoothing)


class _Workers:
    """Each thread runs its part of a batch through a replica of the learner that shares the learner's weights.

    With several threads inside one operation, a core that somebody else uses makes the others spin at every barrier (a
    tenth of the speed was seen); whole replicas meet once a step.
    """

    def __init__(self, learner: _Learner, threads: int) -> None:
        self._replicas = [learner]
        for _ in range(threads - 1):
            replica = copy.deepcopy(learner, {id(learner.goal): learner.goal})  # the goal is shared
            for own, shared in zip(replica.parameters(), learner.parameters(), strict=True):
                own.data = shared.data
            self._replicas.append(replica.train())
        self._pool = ThreadPoolExecutor(threads)

    def gradients(self, pictures: Pictures, rows: Tensor, side: int, seed: int, bfloat16: bool) -> float:
        """Leave the gradient of the mean loss over `rows` in the learner; returns that loss."""
        parts = rows.chunk(len(self._replicas))

        def run(worker: int) -> float:
            replica, part = self._replicas[worker], parts[worker]
            loss = replica.loss(pictures, part, side, seed + worker, bfloat16) * (len(part) / len(rows))
            loss.backward()
            return float(loss.detach())

        total = sum(self._pool.map(run, range(len(parts))))
        learner = self._replicas[0]
        for replica in self._replicas[1 : len(parts)]:
            for own, shared in zip(replica.parameters(), learner.parameters(), strict=True):
                if own.grad is not None and shared.grad is not None:
                    shared.grad += own.grad
                own.grad = None
        return total
