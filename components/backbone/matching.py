"""Loads the backbone that something was made with, or says clearly why not: features of two CLIPs cannot be mixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.backbone.beside import PairedBackbone
from components.backbone.load import check_backbone, load_backbone
from components.backbone.model import Backbone
from components.backbone.settings import BackboneSettings
from components.errors import UserInputError

__all__ = ["matching_backbone", "require_same_backbone"]


def matching_backbone(
    name: str,
    made_with: Mapping[str, Any],
    *,
    models: Path,
    settings: BackboneSettings,
    what: str,
    on: Path,
    remedy: str,
    beside: str | None = None,
) -> Backbone:
    """Load the backbone `name`, which must be the one that something was made with, with the same encoder beside it.

    Device and precision may be others than then: features are alike but for the last bits.

    Args:
        name: see `load_backbone`.
        made_with: the identity of that time; its `weights` and `preprocessing` are compared.
        models: the workspace's or the Bento's `models/`.
        settings: device and precision to use now.
        what: the thing that was made with it, in words: "the classifier".
        on: the place of that thing, for error messages.
        remedy: what to do if they differ.
        beside: the place of the encoder beside it, if not under its own name.

    Raises:
        UserInputError: the backbone is missing, or is another one.
    """
    try:
        check_backbone(name, models=models)
    except UserInputError as error:
        raise UserInputError(
            f"the backbone that {what} was made with is not here: {error.what}",
            on=f"{on}: backbone {name}",
            remedy=remedy,
        ) from error
    backbone = load_backbone(name, models=models, device=settings.device, precision=settings.precision)
    if (second := made_with.get("beside")) is not None:
        there = matching_backbone(
            second["name"] if beside is None else beside,
            second,
            models=models,
            settings=settings,
            what=f"{what}, beside the backbone,",
            on=on,
            remedy=remedy,
        )
        backbone = PairedBackbone(backbone, there, second["weight"])
    require_same_backbone(backbone, made_with, what=what, on=on, remedy=remedy)
    return backbone


def require_same_backbone(
    backbone: Backbone, made_with: Mapping[str, Any], *, what: str, on: Path, remedy: str
) -> None:
    """Check that this backbone has the weights and preprocessing of `made_with`; see `matching_backbone`."""
    identity = backbone.identity
    for fact, found in (("weights", identity.weights), ("preprocessing", identity.preprocessing)):
        if made_with[fact] != found:
            raise UserInputError(
                f"{what} was made with other {fact} ({_short(made_with[fact])}) than the backbone "
                f"{identity.name} has here ({_short(found)})",
                on=str(on),
                remedy=remedy,
            )
    then, now = made_with.get("beside"), identity.beside
    if _beside(then) != _beside(None if now is None else asdict(now)):
        raise UserInputError(
            f"{what} was made with {_said(then)} beside the backbone; now it is "
            f"{_said(None if now is None else asdict(now))}",
            on=str(on),
            remedy=remedy,
        )


def _beside(made_with: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return None if made_with is None else tuple(made_with[fact] for fact in ("weights", "preprocessing", "weight"))


def _said(made_with: Mapping[str, Any] | None) -> str:
    return f"{made_with['name']} ({made_with['weight']:g})" if made_with else "nothing"


def _short(fact: object) -> str:
    return str(fact)[:12] if isinstance(fact, str) else str(fact)
