"""The live classes as vectors for other programs: zero-shot classifiers, segmentation, detection, vector databases.

One file, safetensors or npz, never pickle; the same classes give the same bytes. `docs/export.md` says what to do
with it.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import normalize

from components.bank import Answering, Bank
from components.bank.class_rows import class_rows
from components.classifier import Bundle
from components.errors import UserInputError
from components.files import write_bytes
from components.heads import stand_in
from components.liteembed import Columns
from components.live import version_name

__all__ = ["export_classes", "write_export"]

_VERSION = 1
_KEY = "shotline"


def export_classes(bundle: Bundle, bank: Bank) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The C trained classes and the K added ones as tensors, and the facts that belong to them.

    `softmax(scales * (image @ class_vectors.T) + offsets)` is the answer, with `image` the backbone's unit embedding.
    It is exact for added classes. It is exact for trained classes if the head is an affine map of the embedding
    (`Head.affine`); if not, the affine map nearest to the head (`stand_in`) takes its place.

    Returns:
        `class_vectors` (C + K, d) float32, unit length; `scales` and `offsets` (C + K,) float32; if the backbone has
        words `text_embeddings` (C + K, d) of the names alone, unit length, zero where a name means nothing. The facts
        are `classes` (one per row), `trained_are_exact`, `agreement` (share of the support photos that get the
        classifier's own first answer from a stand-in made without them; 1 if there is none), `logit_scale`,
        `templates`, `threshold`, `head`, `backbone`, `bank`.
    """
    affine, fitted = bundle.head.affine(), bundle.support.fitted / bundle.temperature
    if affine is None:
        alike = stand_in(bundle.support.embeddings, fitted)
        weights, offsets, seen = alike.weights, alike.offsets, alike.left_out
    else:
        (weights, offsets), seen = (part / bundle.temperature for part in affine), fitted
    columns = Columns(
        torch.cat([weights / bundle.logit_scale, bank.columns.vectors]), torch.cat([offsets, bank.columns.offsets])
    )
    added = bank.columns.scores(bundle.support.embeddings, bundle.logit_scale)
    same = torch.cat([seen, added], 1).argmax(1) == torch.cat([fitted, added], 1).argmax(1)
    tensors = {
        "class_vectors": normalize(columns.vectors, dim=1),
        "scales": bundle.logit_scale * columns.vectors.norm(dim=1),
        "offsets": columns.offsets,
    }
    if bank.known.text_embeddings is not None:
        tensors["text_embeddings"] = bank.known.text_embeddings
    words = (*bundle.display_names, *bank.names)
    facts = {
        "version": _VERSION,
        "classes": [
            {"name": row["class"], "words": name, "kind": row["kind"]}
            for row, name in zip(class_rows(bundle, bank), words, strict=True)
        ],
        "trained_are_exact": affine is not None,
        "agreement": float(same.double().mean()),
        "logit_scale": bundle.logit_scale,
        "templates": list(bundle.templates),
        "threshold": Answering(bundle, bank).threshold,
        "head": bundle.head.state().name,
        "backbone": bundle.backbone,
        "bank": version_name(bank),
    }
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}, facts


def write_export(path: Path, bundle: Bundle, bank: Bank) -> dict[str, Any]:
    """Write `path`, a `.safetensors` or `.npz` file; returns the facts that `export_classes` gives.

    The facts are one JSON text: in safetensors the metadata `shotline` (its only key: several are written in random
    order), in npz the array `facts`.

    Raises:
        UserInputError: another kind of file.
    """
    kind = path.suffix.lower()
    if kind not in (".safetensors", ".npz"):
        raise UserInputError(
            f'there is no export of the kind "{path.suffix}"',
            on=str(path),
            remedy="name it .safetensors, .npz or .onnx",
        )
    tensors, facts = export_classes(bundle, bank)
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if kind == ".safetensors":
        write_bytes(path, save(tensors, {_KEY: text}))
    else:
        file = io.BytesIO()
        np.savez(
            file, allow_pickle=False, facts=np.array(text), **{name: each.numpy() for name, each in tensors.items()}
        )
        write_bytes(path, file.getvalue())
    return facts
