"""`params.yaml`, section by section, refused where it says what nobody reads."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from components.errors import UserInputError

__all__ = ["Parameters", "read_section"]

T = TypeVar("T")


@dataclass(frozen=True)
class Parameters:
    """All of `params.yaml`.

    Attributes:
        path: the file.
        sections: section name to its settings as read.
    """

    path: Path
    sections: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Parameters:
        """Read the file.

        Raises:
            UserInputError: it is missing or no YAML mapping.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserInputError("the parameters cannot be read", on=str(path), remedy="restore the file") from error
        except yaml.YAMLError as error:
            raise UserInputError(f"not YAML: {error}", on=str(path), remedy="correct the file") from error
        if not isinstance(content, dict):
            raise UserInputError("not a mapping of sections", on=str(path), remedy="correct the file")
        return cls(path, content)

    def section(self, name: str, settings: type[T]) -> T:
        """The section as a frozen settings dataclass; what it leaves out has the default."""
        return read_section(self.sections.get(name) or {}, settings, where=f"{self.path.name}: {name}")


def read_section(values: dict[str, Any], settings: type[T], *, where: str) -> T:
    """Build the pydantic dataclass `settings` from `values`; what they leave out has its default.

    Raises:
        UserInputError: an unknown key (with the nearest known one) or a value out of range, with the value found.
    """
    known = [item.name for item in dataclasses.fields(settings)]  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
            raise UserInputError(f'unknown parameter "{key}" (value {value!r})', on=where, remedy=hint)
    try:
        # YAML has lists, settings are frozen.
        return settings(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0]) if first["loc"] else "a value"
        raise UserInputError(
            f"{key} is {values.get(key, first.get('input'))!r}",
            on=where,
            remedy=first["msg"].removeprefix("Value error, "),
        ) from error
