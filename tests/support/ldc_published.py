"""A parity case: inputs, weights and expected numbers of the published LDC, and an `LDC` made from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from components.backbone import Projector
from components.ldc import LDC, Outputs, Shape, zero_shot_logits

TENSORS = {
    "linear_weight": "linear.weight",
    "linear1_weight": "first.weight",
    "linear2_weight": "last.weight",
    "norm_scale": "norm.weight",
    "norm_shift": "norm.bias",
    "norm_running_mean": "norm.running_mean",
    "norm_running_var": "norm.running_var",
}
PARTS = {
    **{f"maf.level_{number}": f"maf.levels.{number - 1}" for number in (1, 2, 3, 4)},
    "maf.fusion": "maf.fusion",
    "mlp_head": "mlp_head",
    "icd.logit_branch": "logit_branch",
    "icd.feature_branch": "feature_branch",
    "icd.output_branch": "output_branch",
    "alf.gate": "gate",
}


def ours(name: str) -> str:
    """The name in our state of `<part>.<tensor>` in a parity file."""
    part, tensor = name.rsplit(".", 1)
    return f"{PARTS[part]}.{TENSORS[tensor]}"


@dataclass(frozen=True)
class Case:
    """One parity file; what it stores in 16 and 32 bits is widened to 64, so that no processor's rounding is compared."""

    name: str
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    loss: dict[str, Any]
    trace: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Case:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            header = {key: json.loads(text) for key, text in file.metadata().items()}
        tensors = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in stored.items()}
        return cls(path.stem, tensors, header["config"], header["loss"], header["trace"])

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without the prefix."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    @property
    def projector(self) -> Projector:
        if self.config["tower"] == "rn":
            return Projector(
                "attention_pool",
                self.under("frozen.attention_pool."),
                self.config["attention_heads"],
                self.config["final_grid"][0] * self.config["final_grid"][1],
            )
        return Projector("projection", self.under("frozen."), 0, self.config["tokens"] - 1)

    @property
    def shape(self) -> Shape:
        """As the stored weights have it."""
        weights = self.under("param.")
        levels = [weights[f"maf.level_{number}.linear_weight"] for number in (1, 2, 3, 4)]
        fusion = weights.get("maf.fusion.linear1_weight", levels[-1])  # only the learnt fusion has a width of its own
        return Shape(
            level_channels=tuple(level.shape[1] for level in levels),
            map_width=len(levels[-1]),
            embedding_width=self.tensors["input.image_embedding"].shape[1],
            n_classes=len(self.tensors["input.text_features"]),
            fusion=self.config["fuse_type"],
            mlp_hidden=len(weights["mlp_head.linear1_weight"]),
            fusion_hidden=len(fusion),
            branch_hidden=len(weights["icd.logit_branch.linear1_weight"]),
            gate_hidden=len(weights["alf.gate.linear1_weight"]),
        )

    def model(self) -> LDC:
        """A float64 LDC with the stored weights and running statistics; all of its tensors come from the file."""
        model = LDC(self.shape, self.projector).double()
        state = {ours(name): t for name, t in (self.under("param.") | self.under("buffer.")).items()}
        left = model.load_state_dict(state, strict=False)
        assert not left.unexpected_keys
        assert all(name.startswith("maf.projector.") for name in left.missing_keys), left.missing_keys
        return model

    def forward(self, model: LDC, rows: Tensor | slice) -> Outputs:
        """The model on the chosen samples."""
        levels = [self.tensors[f"input.level_{number}"][rows] for number in (1, 2, 3, 4)]
        tokens: list[Tensor] = []
        if self.config["tower"] == "vit":
            side = round((self.config["tokens"] - 1) ** 0.5)
            tokens = [level[:, 0] for level in levels]
            levels = [level[:, 1:].transpose(1, 2).unflatten(2, (side, side)) for level in levels]
        clip = zero_shot_logits(
            self.tensors["input.image_embedding"][rows],
            self.tensors["input.text_features"],
            self.tensors["input.logit_scale"],
        )
        return model(levels, tokens, clip)


def distance(found: Tensor, expected: Tensor) -> float:
    """The README's measure: greatest absolute difference divided by the greatest absolute value of the expected."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    largest = float(expected.detach().abs().max())
    difference = float((found.detach() - expected).abs().max())
    return difference / largest if largest else difference
