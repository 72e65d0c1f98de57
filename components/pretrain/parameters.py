"""Every number of the recipe in one place: the architecture, the text distillation, the image tower's last layer."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from components.errors import UserInputError
from components.files import digest

__all__ = ["Architecture", "LastLayer", "PretrainParameters", "TextDistillation", "TextPlacement"]


@dataclass(frozen=True)
class Architecture:
    """The shapes of both towers; changing one makes weights of another kind.

    The text width is the largest part: the token table has 49,408 rows of it, and the text embeddings span at most
    that many of the `embed_dim` dimensions.
    """

    embed_dim: int = 512
    image_size: int = 192
    image_trunk: str = "tf_efficientnet_lite2"  # of timm
    text_width: int = 160
    text_layers: int = 3
    text_heads: int = 5
    vocabulary_size: int = 49408
    context_length: int = 77

    def model_config(self) -> dict[str, Any]:
        """`model_cfg` of open_clip's `open_clip_config.json`."""
        return {
            "embed_dim": self.embed_dim,
            "quick_gelu": False,
            "vision_cfg": {
                "image_size": self.image_size,
                "timm_model_name": self.image_trunk,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "linear",
                "timm_proj_bias": True,
            },
            "text_cfg": {
                "context_length": self.context_length,
                "vocab_size": self.vocabulary_size,
                "width": self.text_width,
                "heads": self.text_heads,
                "layers": self.text_layers,
            },
        }


@dataclass(frozen=True)
class TextPlacement:
    """The map that places texts outside the lexicon, and how many phrases it places."""

    gamma: float = 2.0  # exp(-gamma |a - b|^2) of sentence vectors; larger is narrower
    letters: float = 0.2  # weight of the kernel of shared letters
    ridge: float = 0.05
    phrases: int = 60_000


@dataclass(frozen=True)
class TextDistillation:
    """How the text tower learns its targets."""

    steps: int = 8000
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    lexicon_share: float = 0.5  # of each batch; the rest are placed words and phrases
    warmup_steps: int = 200


@dataclass(frozen=True)
class LastLayer:
    """How the image tower's last layer is made; see `components.pretrain.last_layer`."""

    pictures: int = 16  # of each class, from which the trunk's features and their spread are learnt
    held_out: int = 10  # of each class, of which the finished model finds so many by name
    shrinkage: float = 0.1  # see `class_prototypes`
    steps: int = 600
    batch: int = 256
    learning_rate: float = 1e-3
    scale: float = 25.0  # of the logits
    dropout: float = 0.5  # share of a feature that a step does without, from 0 to below 1
    spare: float = 2.0  # squared length of what no text uses over that of what texts use

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UserInputError(
                f"a step cannot do without {self.dropout} of a feature",
                on="last_layer.dropout",
                remedy="give a share from 0 to below 1",
            )


@dataclass(frozen=True)
class PretrainParameters:
    """Parameters of one run of the recipe."""

    seed: int = 0
    bfloat16: bool = True
    checkpoint_every: int = 500  # steps
    architecture: Architecture = field(default_factory=Architecture)
    placement: TextPlacement = field(default_factory=TextPlacement)
    text: TextDistillation = field(default_factory=TextDistillation)
    last_layer: LastLayer = field(default_factory=LastLayer)

    def as_json(self) -> dict[str, Any]:
        """The parameters as plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def text_digest(self) -> str:
        """Which run a text checkpoint belongs to: the text tower is the same whatever becomes of the image tower."""
        plain = self.as_json()
        del plain["checkpoint_every"], plain["last_layer"]
        for name in ("image_size", "image_trunk"):
            del plain["architecture"][name]
        return digest(plain)
