"""The form `token`, as published: one token embedding of a prompt, through the frozen text tower (arXiv 2601.09661)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.backbone import FreeTokenPrompt
from components.heads.gaussian import class_means
from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.settings import TokenSettings
from components.liteembed.vocabulary import Vocabulary

__all__ = ["Token"]

_SAME = 0.999  # a word this close to the name counts as the name itself


class Token:
    """`mean(1 - cos(t, photo)) + l1 mean(1 - cos(P_coarse t, P_coarse n)) + l2 mean cos(P_fine t, P_fine n')`.

    `t` is the text embedding of the prompt with the free token, which starts at the mean of the name's own tokens;
    `P_coarse` keeps the first axes of the vocabulary's PCA, `P_fine` the others. Coarse neighbours `n` are words near
    to the name that resemble the photos most; fine ones `n'` are the known classes nearest to the name, or words where
    the known classes have no text. Both parts are relative to the mean of all texts. The classes of an arrival do not
    interact; they are one batch.

    Differences from the publication: the weights, which no public source gives; fewer and longer steps of Adam; the
    scale and the offset that align the column with calibrated logits.
    """

    name: ClassVar[str] = "token"
    needs_text: ClassVar[bool] = True

    def __init__(self, settings: TokenSettings, prompt: FreeTokenPrompt, vocabulary: Vocabulary) -> None:
        self.settings = settings
        self.prompt = prompt
        self.vocabulary = vocabulary

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Fit; deterministic: nothing is random."""
        text = self.optimised(known, new)
        return Columns(known.voices.name * text, torch.full((new.n_classes,), known.level))

    def optimised(self, known: KnownClasses, new: NewClasses) -> Tensor:
        """(K, d) text embeddings, unit length."""
        assert new.text_embeddings is not None
        coarse, fine = self._neighbours(known, new, new.text_embeddings)
        axes, mean = self.vocabulary.axes.directions, self.vocabulary.mean
        first, rest = axes[: self.settings.n_coarse], axes[self.settings.n_coarse :]
        coarse, fine = normalize((coarse - mean) @ first.T, dim=2), normalize((fine - mean) @ rest.T, dim=2)
        # the mean cosine with the photos equals the cosine with their mean, times its length
        photos = class_means(new.embeddings, new.labels, new.n_classes)

        tokens = self.prompt.tokens_of(new.names).requires_grad_()
        optimiser = torch.optim.Adam([tokens], lr=self.settings.learning_rate)
        with torch.enable_grad():
            for _ in range(self.settings.steps):
                optimiser.zero_grad()
                text = self.prompt.encode(tokens)
                loss = -(text * photos).sum()
                if self.settings.coarse_weight:
                    loss = loss - self.settings.coarse_weight * _mean_cosine((text - mean) @ first.T, coarse)
                if self.settings.fine_weight:
                    loss = loss + self.settings.fine_weight * _mean_cosine((text - mean) @ rest.T, fine)
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            return self.prompt.encode(tokens)

    def _neighbours(self, known: KnownClasses, new: NewClasses, names: Tensor) -> tuple[Tensor, Tensor]:
        """(K, n_coarse, d) and (K, n_fine, d) text embeddings."""
        words, mean = self.vocabulary.embeddings, self.vocabulary.mean
        photos = class_means(new.embeddings, new.labels, new.n_classes)
        n_coarse = min(self.settings.coarse_neighbours, len(words))
        near = _near(names, words, mean, min(4 * n_coarse, len(words)))
        resembling = torch.einsum("kd,knd->kn", photos, words[near]).topk(n_coarse, dim=1).indices
        mistaken_for = words if known.text_embeddings is None else known.text_embeddings[known.named]
        n_fine = min(self.settings.fine_neighbours, len(mistaken_for))
        return words[near.gather(1, resembling)], mistaken_for[_near(names, mistaken_for, mean, n_fine)]


def _near(names: Tensor, others: Tensor, mean: Tensor, most: int) -> Tensor:
    similar = normalize(names - mean, dim=1) @ normalize(others - mean, dim=1).T
    return similar.masked_fill(similar > _SAME, -2.0).topk(most, dim=1).indices


def _mean_cosine(rows: Tensor, others: Tensor) -> Tensor:
    """Sum over rows (K, p) of the mean cosine with their own others (K, n, p), which have unit length."""
    return torch.einsum("kp,knp->kn", normalize(rows, dim=1), others).mean(1).sum()
