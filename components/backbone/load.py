"""From a backbone's name to a loaded `Backbone`; every failure is one clear error."""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from components.backbone.folding import fold_norms
from components.backbone.hub import hub_model, is_hub_name
from components.backbone.hugging_face import TOKENIZER_FILES, local_text_settings, prepare, save_text_files
from components.backbone.model import Backbone, BackboneIdentity
from components.backbone.open_clip_import import import_open_clip
from components.errors import ShotlineError, UserInputError
from components.files import digest, write_json

__all__ = ["check_backbone", "load_backbone", "save_backbone"]

EMBEDDED = "embedded"
_CONFIGURATION = "open_clip_config.json"
_WEIGHTS = "open_clip_model.safetensors"
_COVARIANCE = "covariance.safetensors"
_NAMED_IN = "params.yaml: backbone.name"
_PRECISIONS = ("fp32", "bf16", "fp16")
_OTHER_ACTIVATION = "QuickGELU mismatch"  # as open_clip's warning begins


@dataclass(frozen=True)
class _Artefact:
    """Where a model's architecture and weights come from: a folder, or a model with a hub tag or a weights file."""

    model_name: str
    pretrained: str | None
    folder: Path | None
    weights: str = _WEIGHTS  # the folder's file
    pinned: str | None = None  # the name with its revision


def load_backbone(name: str, *, models: Path, device: str = "auto", precision: str = "auto") -> Backbone:
    """Load a CLIP.

    Args:
        name: `embedded`; `MODEL/TAG` as open_clip lists them (`ViT-B-16/openai`, fetched from its hub once);
            `hf-hub:OWNER/MODEL`, with `@REVISION` or at its newest, which the identity's name then has; a folder
            in open_clip's form (`open_clip_config.json` and weights) or `MODEL/FILE.safetensors`, both sought in
            `models/checkpoints` unless their path is absolute.
        models: the workspace's `models/`, which holds `embedded/` and `checkpoints/`.
        device: `auto` (CUDA where there is one), `cpu` or `cuda`.
        precision: `auto` (fp16 on CUDA; on a CPU with bf16 instructions bf16, but for towers with grouped convolutions;
            else fp32), or one of those.

    Raises:
        UserInputError: no such model, tag or file; a device that is not there; weights that do not fit.
        ShotlineError: the hub cannot be reached.
    """
    device_kind = _device(device)
    precision = _checked_precision(precision, device_kind)
    artefact = _artefact(name, models)
    return _load(artefact, artefact.pinned or name, device_kind, precision)


def check_backbone(name: str, *, models: Path, on: str = _NAMED_IN) -> str:
    """Check that `name` stands for a backbone, without fetching or loading its weights; `on` is for error messages.

    Returns:
        A name that stands for the same weights at any later time: a model of Hugging Face's hub has its revision in it.

    Raises:
        UserInputError: it does not.
        ShotlineError: the hub, which alone knows it, cannot be reached.
    """
    if is_hub_name(name):
        return hub_model(name, on, weights=False).name
    _artefact(name, models, on)
    return name


def save_backbone(name: str, models: Path, target: Path) -> None:
    """Save the backbone `name` into the folder `target` in open_clip's local-dir form, of the same identity.

    A folder is copied file by file; a hub's model is loaded in full precision and written.
    """
    artefact = _artefact(name, models)
    target.mkdir(parents=True, exist_ok=True)
    if artefact.folder is not None:
        shutil.copy(artefact.folder / artefact.weights, target / _WEIGHTS)
        for file in (_CONFIGURATION, _COVARIANCE, *TOKENIZER_FILES):
            if (artefact.folder / file).is_file():
                shutil.copy(artefact.folder / file, target / file)
        return
    open_clip = import_open_clip()
    model = _create(open_clip, artefact, name)
    settings = {"model_cfg": _architecture(open_clip, artefact), "preprocess_cfg": _plain(model.visual.preprocess_cfg)}
    save_text_files(model, _tokenizer(open_clip, artefact, name), target)
    write_json(target / _CONFIGURATION, settings)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, target / _WEIGHTS)


@functools.lru_cache(maxsize=2)  # one process uses one backbone, a comparison two
def _load(artefact: _Artefact, name: str, device_kind: str, precision: str) -> Backbone:
    open_clip = import_open_clip()
    model = _create(open_clip, artefact, name)
    tokenizer = _tokenizer(open_clip, artefact, name)
    settings = dict(model.visual.preprocess_cfg)
    transform = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**settings), is_train=False)
    weights = _weights_hash(_architecture(open_clip, artefact), model)
    if precision == "auto":
        precision = _best_precision(device_kind, model.visual)
    visual = model.eval().visual
    model.visual = fold_norms(visual, image_side(settings))
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    model = model.to(device_kind, dtype).to(memory_format=torch.channels_last)
    identity = BackboneIdentity(
        name, weights, _plain(settings), precision, device_kind, folded=model.visual is not visual
    )
    return Backbone(model, tokenizer, transform, identity, _covariance(artefact))


def _tokenizer(open_clip: Any, artefact: _Artefact, name: str) -> Any:
    with _errors_told(name), _quiet_logging():
        return open_clip.get_tokenizer(artefact.model_name)


def _create(open_clip: Any, artefact: _Artefact, name: str) -> Any:
    architecture = _architecture(open_clip, artefact)
    prepare(architecture)
    with _errors_told(name), warnings.catch_warnings(), _quiet_logging(), _NothingDrawn():
        warnings.filterwarnings("error", _OTHER_ACTIVATION, UserWarning)  # open_clip itself would only warn
        return open_clip.create_model(
            artefact.model_name,
            artefact.pretrained,
            precision="fp32",
            require_pretrained=True,
            force_quick_gelu=_needs_quick_gelu(open_clip, artefact),
            **local_text_settings(architecture, artefact.folder),
        )


class _NothingDrawn(TorchFunctionMode):
    """Modules are made without drawing their first weights: all of them are loaded, and drawing takes longer than that."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _artefact(name: str, models: Path, on: str = _NAMED_IN) -> _Artefact:
    if is_hub_name(name):
        found = hub_model(name, on)
        assert found.weights is not None
        return _Artefact(f"local-dir:{found.folder}", None, found.folder, found.weights.name, found.name)
    checkpoints = models / "checkpoints"
    folder = models / EMBEDDED if name == EMBEDDED else checkpoints / name  # an absolute path stays itself
    if folder.is_dir():
        if not (folder / _CONFIGURATION).is_file():
            raise UserInputError(
                "the backbone's folder has no open_clip_config.json",
                on=str(folder),
                remedy="save the model in open_clip's local-dir form, or name MODEL/TAG",
            )
        if not (folder / _WEIGHTS).is_file():
            raise UserInputError(
                f"the backbone's folder has no {_WEIGHTS}",
                on=str(folder),
                remedy="put the weights there under that name (no pickled ones are opened)",
            )
        return _Artefact(f"local-dir:{folder}", None, folder)
    model_name, slash, pretrained = name.partition("/")
    if name == EMBEDDED or not slash:
        known = [EMBEDDED, *(each.name for each in checkpoints.glob("*/"))]
        near = [] if name == EMBEDDED else difflib.get_close_matches(name, known, n=1)
        ways = "use embedded, MODEL/TAG or a folder in models/checkpoints; see `shotline backbones`"
        raise UserInputError(
            f'no backbone "{name}"',
            on=on,
            remedy=f"did you mean {near[0]}?" if near else ways,
        )
    open_clip = import_open_clip()
    if model_name not in open_clip.list_models():
        raise UserInputError(
            f'open_clip has no model "{model_name}"',
            on=on,
            remedy="see `shotline backbones`, or open_clip.list_models()",
        )
    tags = open_clip.list_pretrained_tags_by_model(model_name)
    file = checkpoints / pretrained
    if file.suffix == ".safetensors" and file.is_file():
        return _Artefact(model_name, str(file), None)
    if pretrained not in tags:
        raise UserInputError(
            f'"{pretrained}" is neither a tag of {model_name} nor a .safetensors file in models/checkpoints',
            on=on,
            remedy=f"use one of its tags ({', '.join(tags) or 'none'}) or a weights file (no pickled one is opened)",
        )
    return _Artefact(model_name, pretrained, None)


def _needs_quick_gelu(open_clip: Any, artefact: _Artefact) -> bool:
    if artefact.folder is not None or artefact.pretrained is None:
        return False  # the folder's own configuration says
    settings = open_clip.get_pretrained_cfg(artefact.model_name, artefact.pretrained) or {}
    return bool(settings.get("quick_gelu", False))


def _architecture(open_clip: Any, artefact: _Artefact) -> dict[str, Any]:
    """open_clip's model configuration, activation included."""
    if artefact.folder is not None:
        configuration = json.loads((artefact.folder / _CONFIGURATION).read_text(encoding="utf-8"))["model_cfg"]
    else:
        configuration = dict(open_clip.get_model_config(artefact.model_name))
        configuration["quick_gelu"] = configuration.get("quick_gelu", False) or _needs_quick_gelu(open_clip, artefact)
    return dict(configuration)


def _weights_hash(architecture: dict[str, Any], model: torch.nn.Module) -> str:
    """Over content, not files: the same weights saved elsewhere or in half precision without loss are the same."""
    total = hashlib.sha256(digest(architecture).encode())
    for name, tensor in sorted(model.state_dict().items()):
        total.update(f"{name}{tuple(tensor.shape)}".encode())
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def _covariance(artefact: _Artefact) -> Tensor | None:
    path = artefact.folder / _COVARIANCE if artefact.folder else None
    if path is None or not path.is_file():
        return None
    return load_file(path)["s0"].float()


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise UserInputError(f'device is "{wanted}"', on="params.yaml: backbone.device", remedy="use auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserInputError(
            "torch sees no CUDA device",
            on="params.yaml: backbone.device",
            remedy="use auto or cpu, or install a CUDA build of torch",
        )
    return wanted


def _checked_precision(wanted: str, device_kind: str) -> str:
    if wanted != "auto" and wanted not in _PRECISIONS:
        raise UserInputError(
            f'precision is "{wanted}"', on="params.yaml: backbone.precision", remedy="use auto, fp32, bf16 or fp16"
        )
    if wanted == "fp16" and device_kind == "cpu":
        raise UserInputError(
            "fp16 has no fast path on a CPU", on="params.yaml: backbone.precision", remedy="use bf16, fp32 or auto"
        )
    return wanted


def _best_precision(device_kind: str, visual: torch.nn.Module) -> str:
    """The precision that this tower is fastest in on this machine."""
    if device_kind == "cuda":
        return "fp16"
    # Without oneDNN and these instructions bf16 is emulated, slower than fp32.
    if not (torch.backends.mkldnn.is_available() and _has_bf16_instructions()):
        return "fp32"
    # PyTorch has no fast path for depthwise convolutions in bf16: EfficientNet-Lite2 takes ten times as long.
    grouped = any(isinstance(module, torch.nn.Conv2d) and module.groups > 1 for module in visual.modules())
    return "fp32" if grouped else "bf16"


def _has_bf16_instructions() -> bool:
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def image_side(settings: dict[str, Any]) -> int:
    """Side of the images that open_clip's preprocessing makes, in pixels."""
    size = settings["size"]
    return int(size[0] if isinstance(size, tuple | list) else size)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple | list) else value for key, value in sorted(settings.items())}


@contextlib.contextmanager
def _quiet_logging() -> Iterator[None]:
    # open_clip reports each loading step on the root logger.
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _errors_told(name: str) -> Iterator[None]:
    try:
        yield
    except UserWarning as warning:
        if not str(warning).startswith(_OTHER_ACTIVATION):
            raise
        raise UserInputError(
            f"the weights were trained with another activation than the model has: {warning}",
            on=f"backbone {name}",
            remedy="name the model variant that the weights belong to (with or without -quickgelu)",
        ) from warning
    except (RuntimeError, ValueError, FileNotFoundError, SafetensorError) as error:
        text = str(error)
        if "download" in text:
            raise ShotlineError(
                "the weights could not be fetched",
                on=f"backbone {name}",
                remedy="check the network, put a .safetensors file in reach, or take what is here: `shotline backbones`",
            ) from error
        raise UserInputError(
            f"the weights could not be loaded: {text.splitlines()[0][:200]}",
            on=f"backbone {name}",
            remedy="check that the weights belong to this model and are complete",
        ) from error
    except OSError as error:
        raise ShotlineError(
            "the weights could not be read or fetched",
            on=f"backbone {name}",
            remedy="check the network and the disk, or use the backbone embedded",
        ) from error
