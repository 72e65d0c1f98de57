"""The text tower: distilled to predict each text's place in a real CLIP's text space."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from components.pretrain.architecture import encode_texts, token_ids, tokenise
from components.pretrain.journal import Journal
from components.pretrain.parameters import PretrainParameters
from components.pretrain.vocabulary import TEMPLATES, Lexicon

__all__ = ["TextTargets", "embed_texts", "refit_projection", "text_basis", "train_text_tower", "warm_start"]

_PADDING = 0


@dataclass(frozen=True)
class TextTargets:
    """What the text tower learns.

    Attributes:
        lexicon: names with known vectors.
        texts: names, words and phrases without a template; the lexicon's names come first.
        cores: where each lies, without a template's mean, `(texts, embed_dim)`.
    """

    lexicon: Lexicon
    texts: tuple[str, ...]
    cores: Tensor


@sdpa_kernel(SDPBackend.MATH)  # on a CPU the fused kernel's backward pass takes twice a whole step's time
def train_text_tower(
    model: nn.Module, targets: TextTargets, parameters: PretrainParameters, journal: Journal, name: str = "text"
) -> None:
    """Distil `targets` into the text tower of `model`, in place; goes on from the journal's checkpoint.

    The loss is 1 - cosine around the lexicon's mean, plus the squared distance, which also teaches the length.
    """
    training = parameters.text
    n_known = len(targets.lexicon.names)
    rows = token_ids(targets.texts)
    prefixes = [token_ids((before,))[0] for before, _, _ in TEMPLATES]
    suffixes = [token_ids((after,))[0] for _, after, _ in TEMPLATES]
    start, end = tokenise([""], parameters.architecture.context_length)[0, :2].tolist()
    means = torch.stack([targets.lexicon.template_means[kind] for _, _, kind in TEMPLATES])
    centre = targets.lexicon.mean
    weights, tower = _tower_of(model)
    optimiser = _optimiser(tower, weights, parameters)
    step = 0
    state = journal.load(name, parameters.text_digest())
    if state is not None:
        step = int(state["step"])
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])

    model.train()
    started, running = time.perf_counter(), 0.0
    while step < training.steps:
        chosen, forms = _batch(parameters, step, n_known, len(rows))
        tokens = _assemble(chosen, forms, rows, prefixes, suffixes, (start, end))
        wanted = F.normalize(means[forms] + targets.cores[chosen], dim=1)
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * _schedule(step, training.steps, training.warmup_steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=parameters.bfloat16):
            found = encode_texts(model, tokens)
        found = found.float()
        cosine = F.cosine_similarity(found - centre, wanted - centre, dim=1)
        loss = (1 - cosine).mean() + (found - wanted).square().sum(dim=1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        step += 1
        running += float(cosine.detach().mean())
        if step % 100 == 0 or step == training.steps:
            n = 100 if step % 100 == 0 else step % 100
            elapsed = time.perf_counter() - started
            journal.record("text_step", step=step, of=training.steps, cosine=round(running / n, 4), s=round(elapsed, 1))
            started, running = time.perf_counter(), 0.0
        if step % parameters.checkpoint_every == 0 or step == training.steps:
            kept = {"step": step, "model": model.state_dict(), "optimiser": optimiser.state_dict()}
            journal.save(name, parameters.text_digest(), kept)
    model.eval()


def _batch(parameters: PretrainParameters, step: int, n_known: int, n_texts: int) -> tuple[Tensor, Tensor]:
    """The texts of a step and the template of each, as rows; the same for the same seed and step."""
    training = parameters.text
    generator = torch.Generator().manual_seed(parameters.seed * 1_000_033 + step)
    n_lexicon = round(training.batch * training.lexicon_share)
    chosen = torch.cat(
        [
            torch.randint(0, n_known, (n_lexicon,), generator=generator),
            torch.randint(n_known, n_texts, (training.batch - n_lexicon,), generator=generator),
        ]
        if n_texts > n_known
        else [torch.randint(0, n_known, (training.batch,), generator=generator)]
    )
    # Half of the texts in the lexicon's own two templates, the others in any of ours.
    forms = torch.randint(0, len(TEMPLATES), (len(chosen),), generator=generator)
    own = torch.rand(len(chosen), generator=generator) < 0.5
    return chosen, torch.where(own, forms % 2, forms)


@torch.no_grad()
def embed_texts(
    model: nn.Module, texts: list[str], context_length: int, batch: int = 512, *, unit_length: bool = True
) -> Tensor:
    """Text embeddings `(n, embed_dim)`."""
    model.eval()
    parts = [
        encode_texts(model, tokenise(texts[start : start + batch], context_length))
        for start in range(0, len(texts), batch)
    ]
    embeddings = torch.cat(parts)
    return F.normalize(embeddings, dim=1) if unit_length else embeddings


@torch.no_grad()
def warm_start(model: Any, targets: TextTargets, basis: Tensor, seed: int) -> None:
    """Begin near the goal: words whose token is the whole word start where they lie, in the coordinates of `basis`.

    Args:
        model: its token table, last norm and text projection are overwritten.
        targets: what will be learnt.
        basis: orthonormal rows that span where the texts lie, `(text_width, embed_dim)`.
        seed: of the small random start of all other tokens.
    """
    table = model.token_embedding.weight
    table.normal_(std=0.01, generator=torch.Generator().manual_seed(seed))
    for row, ids in enumerate(token_ids(targets.texts)):
        if len(ids) == 1:
            table[ids[0]] = 0.5 * basis @ targets.cores[row]
    unit = basis.shape[0] ** 0.5  # length of what a layer norm leaves
    coordinates = targets.cores[: len(targets.lexicon.names)] @ basis.T
    model.text_projection.copy_(basis / unit)
    model.ln_final.weight.copy_(coordinates.std(dim=0) * unit)
    model.ln_final.bias.copy_(basis @ targets.lexicon.mean * unit)


@torch.no_grad()
def refit_projection(model: Any, lexicon: Lexicon, ridge: float = 1e-5) -> None:
    """Fit the text tower's last layer to the lexicon's own vectors by least squares, in place.

    While it is distilled, half of what it sees are placed texts; their places are guesses, the lexicon's are known. A
    name's error is divided by the square of its distance from the mean: what counts is the cosine around the mean.

    Args:
        model: its `text_projection`, `(text_width, embed_dim)`, is overwritten.
        lexicon: names, templates and the vectors to meet.
        ridge: added to the features' mean square.
    """
    texts = [f"{template} {name}" for name, template, _ in lexicon.entries]
    distilled = model.text_projection.detach().clone()
    model.text_projection = nn.Parameter(torch.eye(len(distilled)))
    features = embed_texts(model, texts, int(model.context_length), unit_length=False)
    weights = 1 / (lexicon.vectors - lexicon.mean).square().sum(dim=1, keepdim=True)
    weights = weights / weights.mean()
    gram = features.T @ (weights * features)
    gram.diagonal().add_(ridge * gram.trace() / len(gram))
    fitted = torch.linalg.solve(gram, features.T @ (weights * lexicon.vectors))
    model.text_projection = nn.Parameter(fitted)


def text_basis(vectors: Tensor, width: int) -> Tensor:
    """The `width` orthonormal directions, `(width, embed_dim)`, that keep most of `vectors` `(n, embed_dim)`."""
    basis: Tensor = torch.linalg.svd(vectors, full_matrices=False)[2][:width]
    return basis


def _assemble(
    chosen: Tensor,
    forms: Tensor,
    rows: list[list[int]],
    prefixes: list[list[int]],
    suffixes: list[list[int]],
    ends: tuple[int, int],
) -> Tensor:
    lines = [
        [ends[0], *[*prefixes[form], *rows[row], *suffixes[form]][:75], ends[1]]
        for row, form in zip(chosen.tolist(), forms.tolist(), strict=True)
    ]
    longest = max(map(len, lines))
    return torch.tensor([line + [_PADDING] * (longest - len(line)) for line in lines])


def _tower_of(model: Any) -> tuple[list[nn.Parameter], dict[str, nn.Parameter]]:
    tower = {name: value for name, value in model.named_parameters() if not name.startswith(("visual.", "logit_"))}
    return list(tower.values()), tower


def _optimiser(
    tower: dict[str, nn.Parameter], weights: list[nn.Parameter], parameters: PretrainParameters
) -> torch.optim.Optimizer:
    # The token table gets no decay: rare tokens have a gradient in few steps and would fade between them.
    decayed = [value for name, value in tower.items() if value.ndim > 1 and "embedding" not in name]
    ids = {id(value) for value in decayed}
    rest = [value for value in weights if id(value) not in ids]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": parameters.text.weight_decay}, {"params": rest, "weight_decay": 0.0}],
        lr=parameters.text.learning_rate,
        betas=(0.9, 0.98),
        fused=True,  # half of a step's time otherwise: the token table is long
    )


def _schedule(step: int, n_steps: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))
