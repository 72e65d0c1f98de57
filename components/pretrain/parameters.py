"""Every number of the recipe in one place: the architecture, the text distillation, the image training."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from components.errors import UserInputError
from components.files import digest

__all__ = ["Architecture", "ImageTraining", "PretrainParameters", "Settling", "TextDistillation", "TextPlacement"]


@dataclass(frozen=True)
class Architecture:
    """The shapes of both towers; changing one makes weights of another kind.

    The text width is the largest part: the token table has 49,408 rows of it, and the text embeddings span at most
    that many of the `embed_dim` dimensions.
    """

    embed_dim: int = 512
    image_size: int = 96
    image_layers: tuple[int, int, int, int] = (2, 2, 2, 1)
    image_width: int = 24
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
                "layers": list(self.image_layers),
                "width": self.image_width,
                "head_width": 32,
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
class ImageTraining:
    """How the image tower learns from labelled pictures; sizes in pixels, `epochs` passes over the pictures."""

    stages: tuple[tuple[float, int], ...] = ((24.0, 48), (16.0, 64), (8.0, 96))  # (epochs, pixels), in order
    batch: int = 256
    learning_rate: float = 2e-3
    muon_momentum: float = 0.9  # of the convolutions' orthogonal steps; 0: AdamW for all weights
    weight_decay: float = 0.05
    warmup_steps: int = 150
    label_smoothing: float = 0.05
    zoom: tuple[float, float] = (0.4, 1.1)  # side of the crop over the side of the picture; above 1: mirrored border
    colour: float = 0.3  # largest change of brightness, contrast and saturation
    mixing: float = 0.5  # share of batches whose pictures are blended in pairs
    erasing: float = 0.25  # share of pictures with one grey rectangle
    averaging: float = 0.998  # decay of the weights' moving average, a step
    initial_scale: float = 50.0


@dataclass(frozen=True)
class Settling:
    """How the trained image tower's last layer is finished; see `settle` and `use_spare_directions`."""

    steps: int = 800
    batch: int = 512
    learning_rate: float = 1e-3
    scale: float = 25.0  # of the logits; lower is better for new classes and worse for the trained ones
    dropout: float = 0.8  # share of what the layer reads that a step does without, from 0 to below 1
    spare: float = 2.0  # squared length of what no text uses over that of what texts use

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UserInputError(
                f"a step cannot do without {self.dropout} of what the layer reads",
                on="settling.dropout",
                remedy="give a share from 0 to below 1",
            )


@dataclass(frozen=True)
class PretrainParameters:
    """Parameters of one run of the recipe.

    Attributes:
        left_out: folders of picture classes whose pictures are not trained on.
        names_left_out: names kept out of the lexicon and of every distilled text.
    """

    seed: int = 0
    threads: int = 2
    bfloat16: bool = True
    left_out: tuple[str, ...] = ()
    names_left_out: tuple[str, ...] = ()
    checkpoint_every: int = 500  # steps
    architecture: Architecture = field(default_factory=Architecture)
    placement: TextPlacement = field(default_factory=TextPlacement)
    text: TextDistillation = field(default_factory=TextDistillation)
    image: ImageTraining = field(default_factory=ImageTraining)
    settling: Settling = field(default_factory=Settling)

    def as_json(self) -> dict[str, Any]:
        """The parameters as plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def digest(self) -> str:
        """Which run an image checkpoint belongs to.

        Threads, the checkpoint's rhythm and what is done to the finished tower do not matter.
        """
        plain = self.as_json()
        for name in ("threads", "checkpoint_every", "settling"):
            del plain[name]
        return digest(plain)

    def text_digest(self) -> str:
        """Which run a text checkpoint belongs to: the text tower is the same whatever the pictures are trained with."""
        plain = self.as_json()
        for name in ("threads", "checkpoint_every", "left_out", "image", "settling"):
            del plain[name]
        return digest(plain)
