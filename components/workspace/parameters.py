"""`params.yaml`, section by section; unknown sections and parameters are refused."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

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
        for name, values in content.items():
            if not isinstance(values, dict | None):
                raise UserInputError(
                    f"the section {name} is {values!r}, no mapping of parameters",
                    on=str(path),
                    remedy="write `name: value` lines under it",
                )
        return cls(path, content)

    def section(self, name: str, settings: type[T]) -> T:
        """The section as a frozen settings dataclass; missing parameters have their defaults."""
        return read_section(self.sections.get(name) or {}, settings, where=f"{self.path.name}: {name}")

    def check(self, sections: Mapping[str, type[Any]]) -> None:
        """Check that every section can be read by its settings, and that there is no unknown section.

        Args:
            sections: name to settings dataclass.

        Raises:
            UserInputError: the first section or parameter that cannot be used.
        """
        for name in self.sections:
            if name not in sections:
                raise UserInputError(
                    f"the section {name!r} is unknown",
                    on=str(self.path),
                    remedy=_nearest(str(name), list(sections)),
                )
        for name, settings in sections.items():
            self.section(name, settings)


def read_section(values: dict[str, Any], settings: type[T], *, where: str) -> T:
    """Build the pydantic dataclass `settings` from `values`; missing ones have their defaults.

    If `settings` has a mapping `MOVED`, it maps names of earlier releases to the parameters that replaced them.

    Raises:
        UserInputError: an unknown key (with the nearest known one) or a value out of range, with the value found.
    """
    known = [item.name for item in dataclasses.fields(settings)]  # type: ignore[arg-type]
    moved: Mapping[str, str] = getattr(settings, "MOVED", {})
    for key, value in values.items():
        if key in moved:
            raise UserInputError(
                f'the parameter "{key}" (value {value!r}) is {moved[key]} now',
                on=where,
                remedy=f"take it out there, and set {moved[key]} if it should not be the default",
            )
        if key not in known:
            raise UserInputError(
                f'unknown parameter "{key}" (value {value!r})', on=where, remedy=_nearest(str(key), known)
            )
    forms = get_type_hints(settings)

    def read(key: str, value: Any) -> Any:
        if isinstance(value, list):  # YAML has lists, settings are frozen
            return tuple(value)
        if isinstance(value, dict) and dataclasses.is_dataclass(forms[key]):
            return read_section(value, forms[key], where=f"{where}.{key}")
        return value

    try:
        return settings(**{key: read(key, value) for key, value in values.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0]) if first["loc"] else "a value"
        raise UserInputError(
            f"{key} is {values.get(key, first.get('input'))!r}",
            on=where,
            remedy=first["msg"].removeprefix("Value error, "),
        ) from error


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
