"""Towers that people name: each loads, reads levels, has a projector, and reloads elsewhere without a network.

Image towers are whole, with random weights; text towers are small, since nothing here depends on their size.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize

from components.backbone import Backbone, adopt_checkpoint, load_backbone, save_backbone
from components.backbone.hugging_face import needs_hugging_face
from components.backbone.open_clip_import import import_hugging_face, import_open_clip
from components.errors import UserInputError
from tests.support.towers import learns, projected

LARGE = (
    "MobileCLIP2-S0",
    "RN50",
    "ViT-B-32",
    "ViT-B-32-256",
    "ViT-B-16-SigLIP2",
    "PE-Core-S-16-384",
    "EVA02-B-16",
    "convnext_base_w",
    "coca_ViT-B-32",
    "xlm-roberta-base-ViT-B-32",
)
SMALL = ("ViTamin-S",)
WORDS = ("a", "photo", "of", "rust", "paint", "Rust", "ox", "kitten", "x1")


@dataclass
class Named:
    """A checkpoint's folder, and the model that it was saved from."""

    folder: Path
    model: Any
    side: int


def tokenizer_files(folder: Path) -> None:
    """A tokenizer of whole words, marked as sentence pieces mark them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<s>", "<pad>", "</s>", "<unk>", *(f"\u2581{word}" for word in WORDS)]
    table = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", table["<s>"]), ("</s>", table["</s>"])]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(str(folder))


def small_text(text: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The text tower's settings at a size that loads at once."""
    if not text.get("hf_model_name"):
        return {**text, "width": 32, "heads": 2, "layers": 1, "vocab_size": min(text["vocab_size"], 49408)}
    from transformers import XLMRobertaConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    XLMRobertaConfig(**sizes, vocab_size=64, max_position_embeddings=90, pad_token_id=1).save_pretrained(str(folder))
    return {**text, "context_length": 77}


def named(name: str, folder: Path) -> Named:
    """That tower with random weights, saved as a checkpoint in half precision."""
    open_clip = import_open_clip()
    configuration = open_clip.get_model_config(name)
    folder.mkdir(parents=True)
    if needs_hugging_face(configuration):
        import_hugging_face()
        tokenizer_files(folder)
    text = small_text(configuration["text_cfg"], folder)
    changed: dict[str, Any] = {"text_cfg": text}
    if "multimodal_cfg" in configuration:
        small = {"width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
        changed["multimodal_cfg"] = {**configuration["multimodal_cfg"], **small}
    local = (
        {**changed, "text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}
        if text.get("hf_model_name")
        else changed
    )
    torch.manual_seed(0)
    model = open_clip.create_model(name, pretrained_image=False, pretrained_text=False, pretrained_hf=False, **local)
    model = model.half().float().eval()
    settings = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    content = {"model_cfg": {**configuration, **changed}, "preprocess_cfg": settings}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    tensors = {key: value.half().contiguous().clone() for key, value in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    size = model.visual.image_size
    return Named(folder, model, int(size[0] if isinstance(size, tuple) else size))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects to anything fails."""

    def refused(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.soak) for name in LARGE)])
@torch.inference_mode()
def test_a_named_tower_works_and_reloads_without_a_network(name: str, tmp_path: Path, offline: None) -> None:
    saved = named(name, tmp_path / "first/checkpoint")
    backbone = load_backbone(str(saved.folder), models=tmp_path, device="cpu", precision="fp32")
    pixels = torch.randn(2, 3, saved.side, saved.side, generator=torch.Generator().manual_seed(1))

    encoded = backbone.encode_images(pixels, levels=True)

    own = saved.model.visual(pixels)
    expected = own[0] if isinstance(own, tuple) else own  # before CoCa makes it unit length
    torch.testing.assert_close(normalize(saved.model.encode_image(pixels), dim=1), normalize(expected, dim=1))
    torch.testing.assert_close(encoded.embedding, normalize(expected, dim=1), atol=2e-5, rtol=2e-4)
    assert len(encoded.levels) == 4
    assert backbone.projector is not None
    close = 1e-4 * max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(projected(backbone.projector, encoded), expected, atol=close, rtol=1e-4)
    with torch.inference_mode(False):
        copies = type(encoded)(*(_copied(part) for part in vars(encoded).values()))
        assert learns(backbone.projector, copies, "grid")
    texts = backbone.encode_texts(["a photo of a rust", "paint"])
    assert texts.shape == (2, encoded.embedding.shape[1])
    assert not torch.equal(texts[0], texts[1])

    # Into another workspace, and from there into a Bento's folder.
    (tmp_path / "models").mkdir()
    adopted = adopt_checkpoint(str(saved.folder), tmp_path / "models")
    save_backbone(adopted, tmp_path / "models", tmp_path / "bento/backbone")
    saved.folder.rename(tmp_path / "gone")
    again: Backbone = load_backbone(str(tmp_path / "bento/backbone"), models=tmp_path, device="cpu", precision="fp32")
    assert again.identity.weights == backbone.identity.weights
    assert torch.equal(again.encode_images(pixels, levels=True).embedding, encoded.embedding)
    assert torch.equal(again.encode_texts(["a photo of a rust", "paint"]), texts)


def _copied(part: Any) -> Any:
    return tuple(tensor.clone() for tensor in part) if isinstance(part, tuple) else part.clone()


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP2", "xlm-roberta-base-ViT-B-32"])
def test_without_the_extra_there_is_one_clear_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_hugging_face.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", _all_but("transformers"))
    (tmp_path / "checkpoint").mkdir()
    content = {"model_cfg": import_open_clip().get_model_config(name), "preprocess_cfg": {}}
    (tmp_path / "checkpoint/open_clip_config.json").write_text(json.dumps(content))
    save_file({"nothing": torch.zeros(1)}, tmp_path / "checkpoint/open_clip_model.safetensors")

    with pytest.raises(UserInputError) as caught:
        load_backbone(str(tmp_path / "checkpoint"), models=tmp_path, device="cpu")
    assert "transformers is not installed" in caught.value.what
    assert "shotline[hf]" in caught.value.remedy


def _all_but(missing: str) -> Callable[..., Any]:
    import importlib.util

    real = importlib.util.find_spec
    return lambda name, *rest: None if name == missing else real(name, *rest)


def test_words_are_read_off_sentence_pieces_too(tmp_path: Path) -> None:
    from components.backbone.free_token import whole_words

    import_hugging_face()
    tokenizer_files(tmp_path)
    tokenizer = import_open_clip().tokenizer.HFTokenizer(str(tmp_path), context_length=8)

    assert whole_words(tokenizer) == ["photo", "rust", "paint", "kitten"]
