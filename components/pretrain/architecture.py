"""The two towers as open_clip builds them, and what the recipe needs beside open_clip's own forward pass."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from components.backbone.open_clip_import import import_open_clip
from components.pretrain.parameters import Architecture

__all__ = [
    "MEAN",
    "STD",
    "build",
    "encode_texts",
    "load",
    "preprocess_config",
    "token_ids",
    "tokenise",
    "word_tokens",
]

MEAN = (0.5, 0.5, 0.5)  # what the trunk was trained with
STD = (0.5, 0.5, 0.5)


def build(architecture: Architecture) -> nn.Module:
    """A freshly initialised open_clip model with the attributes `visual`, `encode_text` and `logit_scale`."""
    config = architecture.model_config()
    model: nn.Module = import_open_clip().CLIP(
        embed_dim=config["embed_dim"],
        vision_cfg=config["vision_cfg"],
        text_cfg=config["text_cfg"],
        quick_gelu=config["quick_gelu"],
    )
    return model


def load(folder: Path) -> tuple[Any, Any]:
    """The finished model of `folder`, ready to measure, and its preprocessing."""
    create = import_open_clip().create_model_and_transforms
    model, _, preprocess = create(f"local-dir:{folder}", require_pretrained=True)
    return model.eval(), preprocess


def preprocess_config(architecture: Architecture) -> dict[str, Any]:
    """`preprocess_cfg` of open_clip's `open_clip_config.json`."""
    return {
        "size": [architecture.image_size, architecture.image_size],
        "mode": "RGB",
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    }


def tokenise(texts: list[str], context_length: int) -> Tensor:
    """CLIP's token ids `(n, longest)`, int64, cut after the longest text: what follows is padding that nobody reads."""
    tokens: Tensor = _tokenizer()(texts, context_length=context_length)
    longest = int((tokens != 0).sum(dim=1).max()) if len(texts) else 1
    return tokens[:, :longest]


def token_ids(texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text without start and end.

    CLIP's byte pairs never cross a space, so a template and a name may be tokenised apart and joined.
    """
    tokenizer = _tokenizer()
    return [tokenizer.encode(text.lower()) for text in texts]


def word_tokens() -> dict[str, int]:
    """The tokenizer's table: token text (a word's last piece ends in `</w>`) to id."""
    table: dict[str, int] = _tokenizer().encoder
    return table


@functools.cache
def _tokenizer() -> Any:
    return import_open_clip().SimpleTokenizer()


def encode_texts(model: Any, tokens: Tensor) -> Tensor:
    """Text embeddings `(n, embed_dim)`, not normalised, from token ids `(n, length)` of any length.

    The model's own `encode_text` insists on the full context length. Attention looks back only, so what follows a
    text's end changes nothing, and without it distillation takes a sixth of the time.
    """
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    ends: Tensor = x[torch.arange(len(x)), tokens.argmax(dim=1)]
    embeddings: Tensor = ends @ model.text_projection
    return embeddings
