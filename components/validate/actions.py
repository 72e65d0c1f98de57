"""What happens where photos fail a check, by a person's wish: Great Expectations' own checkpoint actions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from components.errors import UserInputError

__all__ = ["own_actions"]

_FORM = '[{"type": "slack", "name": "photos", "slack_webhook": "${SLACK_WEBHOOK}", "notify_on": "failure"}]'


def own_actions(file: Path) -> Sequence[Any]:
    """The actions of `data/actions.json`, as Great Expectations makes them; none where there is no such file.

    A `${NAME}` in a text stands for an environment variable, so that no secret is written down.

    Args:
        file: a list of objects, each with `type` (slack, email, microsoft, opsgenie, pagerduty, sns), a `name`, and
            what that action takes.

    Raises:
        UserInputError: it is no such list, or Great Expectations has no such action.
    """
    if not file.is_file():
        return ()
    try:
        listed = json.loads(os.path.expandvars(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserInputError(f"it is not JSON: {error}", on=str(file), remedy=f"write a list: {_FORM}") from error
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UserInputError("it is no list of actions", on=str(file), remedy=f"write a list: {_FORM}")
    return [_action(each, f"{file}: action {number}") for number, each in enumerate(listed, 1)]


def _action(said: dict[str, Any], where: str) -> Any:
    from great_expectations import checkpoint

    known = {}
    for made in vars(checkpoint).values():
        field = getattr(made, "__fields__", {}).get("type")
        if field is not None and get_args(field.outer_type_):  # a type of its own: no base class
            known[field.default] = made
    if said.get("type") not in known:
        raise UserInputError(
            f"Great Expectations has no action of the type {said.get('type')!r}",
            on=where,
            remedy=f"use one of {', '.join(sorted(known))}",
        )
    try:
        return known[said["type"]](**said)
    except ValueError as error:  # pydantic's, of whichever version it uses
        raise UserInputError(f"its fields are wrong: {error}", on=where, remedy=f"such as {_FORM}") from error
