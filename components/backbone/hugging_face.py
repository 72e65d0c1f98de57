"""Text towers and tokenizers of Hugging Face in a checkpoint's folder: what a tower needs to load without a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.backbone.open_clip_import import import_hugging_face

__all__ = ["TOKENIZER_FILES", "local_text_settings", "needs_hugging_face", "prepare", "save_text_files"]

_TEXT_CONFIGURATION = "config.json"  # of the text tower, as transformers names it
TOKENIZER_FILES = (
    _TEXT_CONFIGURATION,
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
"""Files beside a checkpoint that its words need; those that are there belong to it."""


def needs_hugging_face(architecture: dict[str, Any]) -> bool:
    """Whether a model of this configuration of open_clip has a text tower or a tokenizer of Hugging Face's."""
    text = architecture.get("text_cfg", {})
    return bool(text.get("hf_model_name") or text.get("hf_tokenizer_name"))


def prepare(architecture: dict[str, Any]) -> None:
    """Import what such a model needs, and nothing for others.

    Raises:
        UserInputError: the extra `hf` is not installed.
    """
    if needs_hugging_face(architecture):
        import_hugging_face()


def local_text_settings(architecture: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """What open_clip must be told beyond the folder's own configuration: where the text tower's lies, if it lies there."""
    text = architecture.get("text_cfg", {})
    if folder is None or not text.get("hf_model_name") or not (folder / _TEXT_CONFIGURATION).is_file():
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}


def save_text_files(model: Any, tokenizer: Any, target: Path) -> None:
    """Write the files that `TOKENIZER_FILES` names, as far as the model and its tokenizer are Hugging Face's."""
    if hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(str(target))
    configuration = getattr(getattr(model, "text", None), "config", None)
    if configuration is not None and hasattr(configuration, "save_pretrained"):
        configuration.save_pretrained(str(target))
