"""A real, small image tower with a drawn task: four colours of four photos, a class added beside them, any head."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from components.backbone import Backbone, load_backbone
from components.bank import AddedClass, Bank, ColumnFitter
from components.classifier import Bundle
from components.features import Features, LevelMode, level_features
from components.heads import Head, Support
from components.ingest import load_image
from components.ldc import LdcSettings, fit_ldc
from components.liteembed import LiteEmbedSettings
from tests.conftest import REPOSITORY, draw_photo
from tests.support.saved_bundle import drawn_bundle

LDC: dict[str, LevelMode] = {"ldc": "grid", "ldc pooled": "pooled"}
"""LDC by the levels that it reads."""

COLOURS = ("red", "green", "blue", "violet")
SHOTS = 4


@functools.cache
def small_backbone() -> Backbone:
    return load_backbone(str(REPOSITORY / "tests/small_clip"), models=REPOSITORY, device="cpu", precision="fp32")


def features_of_files(files: Sequence[Path]) -> Features:
    backbone = small_backbone()
    pixels = torch.stack([backbone.preprocess(load_image(file)) for file in files])
    return level_features(backbone.encode_images(pixels, levels=True), "grid")


def _brief_ldc(support: Support, mode: LevelMode) -> Head:
    settings = LdcSettings(epochs=2, fusion=2, learning_rate=1e-3, l1_weight=0.0, level_mode=mode)  # type: ignore[arg-type]
    return fit_ldc(support, settings, out_of_fold=False).head


def draw_task(folder: Path) -> tuple[list[Path], list[Path]]:
    """Photos of the trained classes, and of one that is added."""
    trained = [folder / f"{colour}{number}.jpg" for colour in COLOURS for number in range(SHOTS)]
    for place, file in enumerate(trained):
        draw_photo(file, place, hue=60 * (place // SHOTS), size=(100, 70 + place))
    added = [folder / f"teal{number}.jpg" for number in range(3)]
    for number, file in enumerate(added):
        draw_photo(file, 100 + number, hue=30)
    return trained, added


def small_classifier(head: str, trained: list[Path], added: list[Path]) -> tuple[Bundle, Bank]:
    """A bundle with that head, and a bank with the class teal beside it; made once."""
    return _classifier(head, tuple(trained), tuple(added))


@functools.cache
def _classifier(head: str, trained: tuple[Path, ...], added: tuple[Path, ...]) -> tuple[Bundle, Bank]:
    backbone: Any = small_backbone()
    labels = torch.arange(len(COLOURS)).repeat_interleave(SHOTS)
    support = dataclasses.replace(
        Support.of_images(
            features_of_files(trained),
            labels,
            len(COLOURS),
            text_embeddings=backbone.encode_texts([f"a photo of something {colour}" for colour in COLOURS]),
            logit_scale=backbone.logit_scale,
            covariance=backbone.covariance,
        ),
        projector=backbone.projector,
    )
    spread = 0.3 * torch.randn(4, *support.features.embedding.shape, generator=torch.Generator().manual_seed(2))
    pool = torch.nn.functional.normalize(support.features.embedding + spread, dim=-1).flatten(0, 1)
    support = dataclasses.replace(support, pool=pool)
    mode = LDC.get(head)
    bundle = drawn_bundle(support, [head if mode is None else "map_lr"])[0]
    fitted = bundle.head if mode is None else _brief_ldc(support, mode)
    record = dataclasses.replace(bundle.support, fitted=fitted.scores(support.features))
    identity = dataclasses.asdict(backbone.identity)
    bundle = dataclasses.replace(bundle, head=fitted, support=record, backbone=identity, temperature=1.7)
    files = {file.name: file for file in added}
    fitter = ColumnFitter(
        bundle,
        backbone,
        lambda photos: features_of_files([files[photo] for photo in photos]),
        LiteEmbedSettings(vocabulary="starter"),
        lambda kind: None,
    )
    return bundle, fitter(
        Bank.empty(bundle), [AddedClass("teal", tuple(files), "2026-01-01T00:00:00+00:00", 1)], ""
    ).bank
