"""Drawn support sets: class centres, photos about them, and words near the centres."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.features.carriers import Features
from components.heads import Support


def drawn_support(
    n_classes: int = 5,
    shots: int | list[int] = 4,
    d: int = 32,
    *,
    noise: float = 0.6,
    words: bool = True,
    word_noise: float = 0.5,
    views: int = 1,
    levels: bool = False,
    pool: int = 0,
    seed: int = 0,
) -> Support:
    """A support set whose difficulty is `noise` (photos about centres) and `word_noise` (words about centres).

    With `pool` it has so many photos without a label of each class beside it.
    """
    features, labels, text = drawn_task(n_classes, shots, d, noise=noise, word_noise=word_noise, seed=seed)
    n = len(labels)
    random = torch.Generator().manual_seed(seed + 1)
    image = torch.arange(n).repeat_interleave(views)
    jitter = 0.1 * torch.randn(n * views, d, generator=random) / d**0.5
    view = torch.arange(views).repeat(n)
    embedding = normalize(features[image] + jitter * (view > 0)[:, None], dim=1)
    maps = tuple(torch.relu(embedding @ torch.randn(d, 12, generator=random)) for _ in range(4)) if levels else ()
    return Support(
        features=Features(embedding, maps),
        labels=labels[image],
        images=image,
        groups=image,
        views=view,
        n_classes=n_classes,
        text_embeddings=text if words else None,
        pool=drawn_task(n_classes, pool, d, noise=noise, word_noise=word_noise, seed=seed, draw=2)[0] if pool else None,
        seed=seed,
    )


def drawn_task(
    n_classes: int, shots: int | list[int], d: int, *, noise: float, word_noise: float, seed: int, draw: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (n, d), labels (n,), text embeddings (C, d); another `draw` gives other photos of the same classes."""
    random = torch.Generator().manual_seed(seed)
    centres = normalize(torch.randn(n_classes, d, generator=random), dim=1)
    text = normalize(centres + word_noise * torch.randn(n_classes, d, generator=random) / d**0.5, dim=1)
    counts = torch.tensor([shots] * n_classes if isinstance(shots, int) else shots)
    labels = torch.arange(n_classes).repeat_interleave(counts)
    random = torch.Generator().manual_seed(seed + 1000 * draw + 7)
    photos = centres[labels] + noise * torch.randn(len(labels), d, generator=random) / d**0.5
    return normalize(photos, dim=1), labels, text
