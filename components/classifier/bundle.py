"""The bundle: the saved classifier as a folder of safetensors and JSON; never pickle, and no time, host or path."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.classifier.facts import BUNDLE_FACTS, BUNDLE_REMEDY, BUNDLE_VERSION, digest_of, read_facts
from components.classifier.registry import head_from_state
from components.errors import UserInputError
from components.files import json_text, sha256_bytes, write_bytes, write_text
from components.heads import Head, HeadState
from components.ingest import Limits

__all__ = ["Bundle", "SupportRecord"]

_PARTS = ("head.safetensors", "support.safetensors", "text.safetensors")


@dataclass(frozen=True)
class SupportRecord:
    """What adding a class later needs to know of the trained classes' photos.

    Attributes:
        embeddings: (n, d) float32, the clean view of each support image, unit length.
        labels: (n,) int64.
        groups: (n,) int64; near-duplicates share one.
        out_of_fold: (n, C) float32 logits, uncalibrated, from heads that had not seen the image; NaN if none.
        fitted: (n, C) float32 logits, uncalibrated, of the final head, which has learnt from the image.
        covariance: (d, d) float32, the backbone's generic within-class covariance, or None.
    """

    embeddings: Tensor
    labels: Tensor
    groups: Tensor
    out_of_fold: Tensor
    fitted: Tensor
    covariance: Tensor | None = None


@dataclass(frozen=True)
class Bundle:
    """A classifier that can be saved, loaded and asked for answers.

    Attributes:
        class_names: of the C classes, as in the data.
        display_names: the class names as words, for people and text encoders.
        head: fitted.
        temperature: the head's logits are divided by it.
        threshold: a photo whose highest probability is lower is unknown; None: it never abstains.
        backbone: identity of the backbone (name, weights, preprocessing, ...).
        logit_scale: what the backbone multiplies cosines with.
        templates: prompts that the text embeddings were made with.
        split: class name to the ids of its support images.
        limits: the limits of a photo's size, as of the photos that it was made from.
        provenance: what it was made from (seed, shots, parameters, ...); no time, host or path.
        why: why this head.
        evidence: what it was chosen and calibrated on: `out_of_fold`, `validation` or `prior`.
        support: what adding classes later needs.
        text_embeddings: (C, d) float32, or None.
    """

    class_names: tuple[str, ...]
    display_names: tuple[str, ...]
    head: Head
    temperature: float
    threshold: float | None
    backbone: dict[str, Any]
    logit_scale: float
    templates: tuple[str, ...]
    split: dict[str, list[str]]
    why: str
    evidence: str
    support: SupportRecord
    limits: Limits
    text_embeddings: Tensor | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.class_names) != len(set(self.class_names)) or len(self.class_names) != len(self.display_names):
            raise ValueError("a bundle's class names are distinct, and each has a display name")

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits that name this very bundle: same content, same version."""
        return digest_of(self._facts(self._files()))

    def save(self, folder: Path) -> None:
        """Write `folder`; the same bundle gives the same bytes. `bundle.json` comes last and vouches for the rest."""
        files = self._files()
        for name, content in files.items():
            write_bytes(folder / name, content)
        write_text(folder / BUNDLE_FACTS, json_text(self._facts(files)))

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read what `save` wrote.

        Raises:
            UserInputError: the folder holds no bundle, half of one, or one of another version.
        """
        facts = read_facts(folder)
        try:
            tensors = {name: _read_tensors(folder / name, facts["files"][name]) for name in _PARTS}
            head = HeadState(facts["head"]["name"], tensors["head.safetensors"], facts["head"]["settings"])
            kept = tensors["support.safetensors"]
            bundle = cls(
                class_names=tuple(facts["class_names"]),
                display_names=tuple(facts["display_names"]),
                head=head_from_state(head),
                temperature=facts["temperature"],
                threshold=facts["threshold"],
                backbone=facts["backbone"],
                logit_scale=facts["logit_scale"],
                templates=tuple(facts["templates"]),
                split=facts["split"],
                why=facts["why"],
                evidence=facts["evidence"],
                support=SupportRecord(
                    kept["embeddings"],
                    kept["labels"],
                    kept["groups"],
                    kept["out_of_fold"],
                    kept["fitted"],
                    kept.get("covariance"),
                ),
                limits=Limits(**{limit.name: facts["limits"][limit.name] for limit in fields(Limits)}),
                text_embeddings=tensors["text.safetensors"].get("text_embeddings"),
                provenance=facts["provenance"],
            )
        except KeyError as error:
            raise UserInputError(f"the bundle lacks {error}", on=str(folder), remedy=BUNDLE_REMEDY) from error
        # The version is of the file as it is. This program might save more facts, but banks and versions refer to the
        # file.
        vars(bundle)["version"] = digest_of(facts)
        return bundle

    def _files(self) -> dict[str, bytes]:
        text = {} if self.text_embeddings is None else {"text_embeddings": self.text_embeddings}
        kept = {
            "embeddings": self.support.embeddings,
            "labels": self.support.labels,
            "groups": self.support.groups,
            "out_of_fold": self.support.out_of_fold,
            "fitted": self.support.fitted,
        }
        if self.support.covariance is not None:
            kept["covariance"] = self.support.covariance
        parts = {"head": self.head.state().tensors, "text": text, "support": kept}
        # No metadata: safetensors writes several keys in random order.
        return {
            f"{part}.safetensors": save({name: tensor.contiguous() for name, tensor in tensors.items()})
            for part, tensors in parts.items()
        }

    def _facts(self, files: dict[str, bytes]) -> dict[str, Any]:
        state = self.head.state()
        return {
            "version": BUNDLE_VERSION,
            "class_names": list(self.class_names),
            "display_names": list(self.display_names),
            "head": {"name": state.name, "settings": state.settings},
            "temperature": self.temperature,
            "threshold": self.threshold,
            "backbone": self.backbone,
            "logit_scale": self.logit_scale,
            "templates": list(self.templates),
            "split": self.split,
            "why": self.why,
            "evidence": self.evidence,
            "limits": asdict(self.limits),
            "provenance": self.provenance,
            "files": {name: sha256_bytes(content) for name, content in files.items()},
        }


def _read_tensors(path: Path, expected: str) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserInputError("a part of the bundle is missing", on=str(path), remedy=BUNDLE_REMEDY) from error
    if sha256_bytes(content) != expected:
        raise UserInputError(
            "this file is not the one that bundle.json was written with", on=str(path), remedy=BUNDLE_REMEDY
        )
    try:
        return load(content)
    except SafetensorError as error:
        raise UserInputError("not a safetensors file", on=str(path), remedy=BUNDLE_REMEDY) from error
