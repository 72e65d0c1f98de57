"""One ONNX file that answers as the classifier does: pixels to probabilities, checked on the photos it was made from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from components.backbone import Backbone, BackboneSettings, matching_backbone
from components.bank import Answering, Bank
from components.bank.class_rows import class_rows
from components.classifier import Bundle
from components.errors import ShotlineError, UserInputError
from components.export.card import CARD, write_card
from components.features import level_features
from components.files import write_bytes
from components.ingest import load_image
from components.live import version_name

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = [
    "PRECISIONS",
    "RECIPE",
    "Agreement",
    "backbone_for_export",
    "checked",
    "facts_of",
    "onnx_model",
    "require_loadable",
    "require_onnx",
    "support_photos",
    "write_onnx",
]

PRECISIONS = {"fp32": 1e-4, "half_weights": 1e-3, "fp16": 5e-3}
"""The precisions of an export, and how far a probability may then be from the classifier's. `half_weights` stores weights
in half precision and computes in single; `fp16` computes the image tower in half too."""

RECIPE = Path(__file__).with_name("recipes") / "answer.py"
"""The program that is written beside an export."""

_KEY = "shotline"
_VERSION = 1
_AT_ONCE = 16
_RUNTIME = "onnxruntime>=1.17"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Agreement:
    """How an export compares with the classifier on the photos that it was made from.

    Attributes:
        photos: how many were compared.
        same_answer: share of them with the same first class, 0 to 1.
        largest_difference: of any probability.
    """

    photos: int
    same_answer: float
    largest_difference: float


def require_onnx() -> None:
    """Check that the libraries of the extra `onnx` are installed.

    Raises:
        UserInputError: they are not.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserInputError(
            f"{error.name} is not installed",
            on="export",
            remedy="install Shotline's extra: pip install 'shotline[onnx]'",
        ) from None


def backbone_for_export(bundle: Bundle, models: Path) -> Backbone:
    """The bundle's backbone in single precision on the CPU.

    Raises:
        UserInputError: a second encoder stands beside it, which the graph has no place for; and as `matching_backbone`
            raises.
    """
    if beside := bundle.backbone.get("beside"):
        raise UserInputError(
            "the graph holds one image tower, and this classifier has two",
            on=f"backbone {bundle.backbone['name']}, beside it {beside['name']}",
            remedy="train without the second (`shotline train --beside none`), or export vectors (.safetensors, .npz)",
        )
    return matching_backbone(
        bundle.backbone["name"],
        bundle.backbone,
        models=models,
        settings=BackboneSettings(device="cpu", precision="fp32"),
        what="the classifier",
        on=models,
        remedy="put the backbone back as it was (git checkout, dvc checkout), or train again",
    )


def onnx_model(bundle: Bundle, bank: Bank, backbone: Backbone, precision: str = "fp32") -> ModelProto:
    """The classifier as an ONNX model with its facts in the metadata `shotline`; not checked yet.

    Raises:
        UserInputError: the backbone's photos are prepared in a way that the recipe beside the export has no words for.
        ShotlineError: the head or the backbone has a step for which ONNX has no operator.
    """
    from components.export.graph import OPSET, PixelsToAnswer, traced_graph

    side_px = _side_px(backbone.identity.preprocessing)
    try:
        model = traced_graph(PixelsToAnswer(backbone, bundle, bank), side_px)
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        raise ShotlineError(
            f"it has a step that ONNX has no operator for: {str(error).splitlines()[0][:200]}",
            on=f"head {bundle.head.name}, backbone {bundle.backbone['name']}",
            remedy="export vectors (.safetensors), or choose another head (classifier.heads)",
        ) from error
    if precision != "fp32":
        from components.export.half import in_half_precision, with_half_weights

        model = (in_half_precision if precision == "fp16" else with_half_weights)(model)
    facts = facts_of(bundle, bank, backbone) | {"precision": precision, "opset": OPSET, "runtime": _RUNTIME}
    model.producer_name = "shotline"
    for key, value in {
        _KEY: json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False),
        **_plain(facts),
    }.items():
        model.metadata_props.add(key=key, value=value)
    return model


def _plain(facts: Mapping[str, Any]) -> dict[str, str]:
    """What an answer needs of the facts, for languages that have no JSON at hand: `answer.c` reads these."""
    return {
        "classes": "\n".join(" ".join(each["name"].splitlines()) for each in facts["classes"]),
        "threshold": "" if facts["threshold"] is None else repr(facts["threshold"]),
        "interpolation": facts["preprocessing"]["interpolation"],
        "resize_mode": facts["preprocessing"]["resize_mode"],
    }


def write_onnx(
    path: Path,
    bundle: Bundle,
    bank: Bank,
    models: Path,
    photos: Sequence[Path],
    *,
    card: str,
    precision: str = "fp32",
    progress: Progress = lambda done, total: None,
) -> Agreement:
    """Write `path` if it answers as the classifier does; beside it `answer.py`, which answers from it, and the model card.

    A file of these names that somebody else has written stays as it is.

    Args:
        path: ends in `.onnx`.
        bundle: the classifier.
        bank: the classes added beside it.
        models: where its backbone lies.
        photos: those that the classifier was made from; the export is checked on them.
        card: text of its model card.
        precision: one of `PRECISIONS`.
        progress: called with (photos checked, photos to check).

    Raises:
        UserInputError: a library is missing, there is no photo to check it on, or as `onnx_model` raises.
        ShotlineError: the export's answers differ from the classifier's; nothing is written.
    """
    require_onnx()
    if precision not in PRECISIONS:
        raise UserInputError(
            f'there is no precision "{precision}"', on="export", remedy=f"use {' or '.join(PRECISIONS)}"
        )
    backbone = backbone_for_export(bundle, models)
    content = onnx_model(bundle, bank, backbone, precision).SerializeToString()
    if precision == "fp16":
        require_loadable(content, f"head {bundle.head.name}, backbone {bundle.backbone['name']}")
    agreement = checked(content, bundle, bank, backbone, photos, PRECISIONS[precision], progress)
    write_bytes(path, content)
    if not path.with_name(RECIPE.name).exists():
        shutil.copyfile(RECIPE, path.with_name(RECIPE.name))
    write_card(path.with_name(CARD), card)
    return agreement


def require_loadable(content: bytes, on: str) -> None:
    """See, in a process of its own, that ONNX Runtime survives the loading of a model.

    Version 1.32 ends with a segmentation fault where a vision transformer's convolution is in half precision.

    Raises:
        ShotlineError: it does not.
    """
    import onnxruntime

    load = "import sys, onnxruntime; onnxruntime.InferenceSession(sys.argv[1])"
    with tempfile.TemporaryDirectory(prefix="shotline-") as folder:
        file = Path(folder, "model.onnx")
        file.write_bytes(content)
        done = subprocess.run([sys.executable, "-c", load, str(file)], capture_output=True, check=False)
    if done.returncode:
        raise ShotlineError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load it in half precision (exit code {done.returncode})",
            on=on,
            remedy="export with --precision half_weights, which is as small, or fp32; nothing was written",
        )


def checked(
    content: bytes,
    bundle: Bundle,
    bank: Bank,
    backbone: Backbone,
    photos: Sequence[Path],
    tolerance: float,
    progress: Progress = lambda done, total: None,
) -> Agreement:
    """Compares the export with the classifier on photos, each prepared as the recipe prepares it.

    Raises:
        UserInputError: there is no photo.
        ShotlineError: a first answer differs, or a probability differs by more than `tolerance`.
    """
    import onnxruntime

    from components.export.recipes.answer import prepared

    if not photos:
        raise UserInputError(
            "none of the photos that the classifier was made from is here, so the export cannot be checked",
            on="data/raw",
            remedy="get them back (dvc pull, dvc checkout), or export where they are",
        )
    session = onnxruntime.InferenceSession(content)
    answering, same, furthest = Answering.of(bundle, bank), 0, 0.0
    for start in range(0, len(photos), _AT_ONCE):
        images = [load_image(path, bundle.limits) for path in photos[start : start + _AT_ONCE]]
        pixels = torch.stack([backbone.preprocess(image) for image in images])
        features = level_features(backbone.encode_images(pixels, levels=True), bundle.head.level_mode)
        expected = answering.answer(features).probabilities.numpy()
        given = np.stack([prepared(image, backbone.identity.preprocessing) for image in images])
        (found,) = session.run(["probabilities"], {"photos": given})
        same += int((found.argmax(1) == expected.argmax(1)).sum())
        furthest = max(furthest, float(np.abs(found - expected).max()))
        progress(min(start + _AT_ONCE, len(photos)), len(photos))
    if same < len(photos) or not furthest <= tolerance:
        raise ShotlineError(
            f"the export answers otherwise than the classifier: {len(photos) - same} of {len(photos)} first answers "
            f"differ, and a probability is off by {furthest:.2g} (allowed: {tolerance:g})",
            on=f"head {bundle.head.name}, backbone {bundle.backbone['name']}",
            remedy="export with --precision fp32" if tolerance > PRECISIONS["fp32"] else "tell us; nothing was written",
        )
    return Agreement(len(photos), same / len(photos), furthest)


def support_photos(bundle: Bundle, bank: Bank, listed: Mapping[str, Path]) -> list[Path]:
    """The files of the photos of trained and added classes; photos that are not there are left out.

    Args:
        bundle: names the photos by their SHA-256.
        bank: likewise.
        listed: where photos lie, by their SHA-256.
    """
    ids = [photo for photos in bundle.split.values() for photo in photos]
    ids += [photo for added in bank.classes for photo in added.photos]
    return [listed[photo] for photo in dict.fromkeys(ids) if photo in listed and listed[photo].is_file()]


def _side_px(preprocessing: Mapping[str, Any]) -> tuple[int, int]:
    size = preprocessing["size"]
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    mode, known = preprocessing["resize_mode"], preprocessing["interpolation"] in ("bicubic", "bilinear")
    if not known or not (mode == "squash" or (mode == "shortest" and height == width)):
        raise UserInputError(
            f"photos are prepared by {preprocessing['interpolation']}, {mode}, {height} x {width} pixels, and an export "
            "knows squares by the shorter side, or squashed",
            on="the backbone's preprocessing",
            remedy="export vectors (.safetensors) instead",
        )
    return height, width


def facts_of(bundle: Bundle, bank: Bank, backbone: Backbone) -> dict[str, Any]:
    """The facts that a program needs to use the export."""
    words = (*bundle.display_names, *bank.names)
    return {
        "version": _VERSION,
        "classes": [
            {"name": row["class"], "words": name, "kind": row["kind"]}
            for row, name in zip(class_rows(bundle, bank), words, strict=True)
        ],
        "threshold": Answering.of(bundle, bank).threshold,
        "preprocessing": backbone.identity.preprocessing,
        "input": {"photos": "(batch, height, width, 3) uint8, RGB"},
        "outputs": {
            "probabilities": "(batch, classes) float32, calibrated",
            "embedding": "(batch, width) float32, unit length",
        },
        "head": bundle.head.state().name,
        "backbone": bundle.backbone,
        "bank": version_name(bank),
    }
