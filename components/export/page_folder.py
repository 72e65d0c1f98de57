"""The *Try* page as a folder: the classifier runs in the browser; any web host works, no photo leaves a device."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.bank import Bank
from components.classifier import Bundle
from components.errors import UserInputError
from components.export.card import CARD, write_card
from components.export.onnx_file import (
    PRECISIONS,
    Agreement,
    backbone_for_export,
    checked,
    facts_of,
    onnx_model,
    require_onnx,
)
from components.export.web_runtime import RUNTIME_FILES, RUNTIME_VERSION, copy_runtime
from components.files import sha256_bytes, write_bytes, write_json, write_text
from components.look import look_css

__all__ = ["write_page"]

_SOURCES = Path(__file__).with_name("page")
_COPIED = ("page.js", "classifier.js", "resize.js", "page.css")
_MODEL, _FACTS = "model.onnx", "facts.json"


def write_page(
    folder: Path,
    bundle: Bundle,
    bank: Bank,
    models: Path,
    photos: Sequence[Path],
    *,
    card: str,
    runtime: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Agreement:
    """Write the page; weights are stored in half precision, and the model is checked before anything is written.

    Args:
        folder: made if missing; it must be empty or hold an earlier page.
        bundle: the classifier.
        bank: the classes added beside it.
        models: where its backbone lies.
        photos: those that the classifier was made from; the page's model is checked on them.
        card: text of its model card.
        runtime: see `copy_runtime`.
        progress: called with (photos checked, photos to check).

    Raises:
        UserInputError, ShotlineError: as `write_onnx` and `copy_runtime` do; the folder holds something else.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / _FACTS).is_file())):
        raise UserInputError("it holds something else than a page", on=str(folder), remedy="name an empty folder")
    require_onnx()
    copy_runtime(folder / "runtime", runtime)
    backbone = backbone_for_export(bundle, models)
    content = onnx_model(bundle, bank, backbone, "half_weights").SerializeToString()
    agreement = checked(content, bundle, bank, backbone, photos, PRECISIONS["half_weights"], progress)
    facts = facts_of(bundle, bank, backbone)
    write_bytes(folder / _MODEL, content)
    write_json(folder / _FACTS, facts | {"size_bytes": len(content)})
    for name in _COPIED:
        shutil.copyfile(_SOURCES / name, folder / name)
    write_text(folder / "look.css", look_css())
    write_card(folder / CARD, card)
    pages = Environment(
        loader=FileSystemLoader(_SOURCES), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    write_text(folder / "index.html", pages.get_template("index.html").render(**facts, runtime=RUNTIME_VERSION))
    files = ["./", *_COPIED, "look.css", _MODEL, _FACTS, CARD, *(f"runtime/{name}" for name in RUNTIME_FILES)]
    script = (_SOURCES / "offline.js").read_text(encoding="utf-8")
    kept = f"shotline-{facts['bank']}-{sha256_bytes(content)[:12]}"
    script = script.replace("{{ kept }}", kept).replace("{{ files }}", json.dumps(files))
    write_text(folder / "offline.js", script)
    return agreement
