"""A prompt with one free token: the text tower as a function of a token embedding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from components.errors import UserInputError

__all__ = ["FreeTokenPrompt", "whole_words"]

_BEGINS_A_WORD = ("\u2581", "\u0120")  # sentence pieces; byte pairs of GPT-2 and its kind
_PROBES = ("x", "q")  # two words of one token each: the free token stands where the prompts with them differ


def whole_words(tokenizer: Any, shortest: int = 3) -> list[str]:
    """The words that a tokenizer has a token of its own for: ASCII letters only, each once, in the order of its tokens.

    A tokenizer numbers its tokens in the order of its training (byte pairs: as it merged them; sentence pieces: by
    frequency), so that common words come first. CLIP's byte pairs mark the end of a word; sentence pieces and other
    byte pairs mark its beginning. Empty for tokenizers whose table of tokens cannot be read, or that mark neither.
    """
    table = getattr(tokenizer, "encoder", None)
    if table is None and hasattr(tokenizer, "tokenizer"):
        table = tokenizer.tokenizer.get_vocab()
    table = table or {}
    tokens = sorted(table, key=table.__getitem__)
    words = [token.removesuffix("</w>") for token in tokens if token.endswith("</w>")]
    words = words or [token[1:] for token in tokens if token.startswith(_BEGINS_A_WORD)]
    words = [word.lower() for word in words if len(word) >= shortest and word.isascii() and word.isalpha()]
    return list(dict.fromkeys(words))


class FreeTokenPrompt:
    """A frozen text tower applied to `template`, with a free token embedding in the place of `{}`.

    It runs in float32 at any precision of the backbone, because gradients go through it. It runs only over the tokens
    up to the end of the prompt, which is all that a causal tower looks at.

    Attributes:
        width: of a token embedding.
    """

    def __init__(self, model: Any, tokenizer: Callable[[Sequence[str]], Tensor], template: str, name: str) -> None:
        text = getattr(model, "text", model)
        pool = getattr(text, "pool_type", getattr(text, "text_pool_type", None))
        if not hasattr(text, "token_embedding") or getattr(text, "attn_mask", None) is None or pool != "argmax":
            raise UserInputError(
                "this text tower takes no free token",
                on=f"backbone {name}",
                remedy="leave the form `token` out of liteembed.forms, or use a CLIP with open_clip's own text tower",
            )
        self._table = text.token_embedding.weight.detach()
        self._tokenizer = tokenizer
        if template.count("{}") != 1:
            raise UserInputError(
                "the prompt must have exactly one place for a word",
                on=template,
                remedy="use one `{}`, like `a photo of a {}.`",
            )
        ids = tokenizer([template.format(probe) for probe in _PROBES])
        self._place = int(torch.nonzero(ids[0] != ids[1])[0])
        self._end = int(ids[0].argmax())  # CLIP's end token has the highest number
        n = self._end + 1
        self._embedded = self._table[ids[0, :n].to(self._table.device)].float()
        self._positions = text.positional_embedding.detach()[:n].float()
        self._mask = text.attn_mask[:n, :n].float()
        self._transformer = copy.deepcopy(text.transformer).float().requires_grad_(False)
        self._norm = copy.deepcopy(text.ln_final).float().requires_grad_(False)
        self._projection = copy.deepcopy(text.text_projection)
        if isinstance(self._projection, torch.nn.Linear):
            self._projection = self._projection.float().requires_grad_(False)
        elif self._projection is not None:
            self._projection = self._projection.detach().float()
        self.width = self._table.shape[1]

    def tokens_of(self, words: Sequence[str]) -> Tensor:
        """(len(words), width) float32: the mean of each word's own token embeddings, without start and end.

        Raises:
            UserInputError: a word is empty to the tokenizer.
        """
        rows = []
        for word, ids in zip(words, self._tokenizer(list(words)), strict=True):
            own = ids[1 : int(ids.argmax())]
            if len(own) == 0:
                raise UserInputError("the tokenizer sees no letters in this name", on=repr(word), remedy="rename it")
            rows.append(self._table[own.to(self._table.device)].float().mean(0).cpu())
        return torch.stack(rows)

    def encode(self, tokens: Tensor) -> Tensor:
        """(k, width) token embeddings to (k, d) text embeddings, unit length; gradients pass."""
        tokens = tokens.to(self._embedded.device)
        before, after = self._embedded[: self._place], self._embedded[self._place + 1 :]
        k = len(tokens)
        rows = torch.cat([before.expand(k, -1, -1), tokens[:, None], after.expand(k, -1, -1)], dim=1)
        rows = self._transformer(rows + self._positions, attn_mask=self._mask)
        last = self._norm(rows)[:, self._end]
        if isinstance(self._projection, torch.nn.Linear):
            last = self._projection(last)
        elif self._projection is not None:
            last = last @ self._projection
        return F.normalize(last, dim=-1).cpu()
