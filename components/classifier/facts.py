"""The facts of a saved bundle in JSON, read without loading its tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserInputError
from components.files import digest

__all__ = ["BUNDLE_FACTS", "BUNDLE_REMEDY", "BUNDLE_VERSION", "BundleFacts", "OtherBundleVersionError"]
__all__ += ["digest_of", "holds_bundle", "read_facts", "saved_version"]

BUNDLE_VERSION = 2
BUNDLE_FACTS = "bundle.json"
BUNDLE_REMEDY = "train again, or restore the folder (`dvc checkout models/bundle`)"


class OtherBundleVersionError(UserInputError):
    """Another release of the program wrote the bundle, in a form that this one does not read."""


@dataclass(frozen=True)
class BundleFacts:
    """Which classes a bundle has.

    Attributes:
        class_names: as in the data.
        split: class name to the ids of its support images.
    """

    class_names: tuple[str, ...]
    split: dict[str, list[str]]

    @classmethod
    def read(cls, folder: Path) -> BundleFacts:
        """The facts of the bundle in `folder`; the tensors beside them are not read.

        Raises:
            UserInputError: the folder holds no bundle, half of one, or one of another version.
        """
        facts = read_facts(folder)
        try:
            return cls(tuple(facts["class_names"]), facts["split"])
        except KeyError as error:
            raise UserInputError(f"the bundle lacks {error}", on=str(folder), remedy=BUNDLE_REMEDY) from error


def holds_bundle(folder: Path) -> bool:
    """Whether a bundle was saved in `folder`, even an incomplete one."""
    return (folder / BUNDLE_FACTS).is_file()


def saved_version(folder: Path) -> str | None:
    """Version of the bundle saved there, from its facts alone; None if there is none."""
    try:
        return digest_of(json.loads((folder / BUNDLE_FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def digest_of(facts: dict[str, Any]) -> str:
    """The version of a bundle with these facts."""
    return digest(facts)[:12]


def read_facts(folder: Path) -> dict[str, Any]:
    """The whole of `bundle.json`.

    Raises:
        UserInputError: there is none, it cannot be read, or it is of another version.
    """
    path = folder / BUNDLE_FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserInputError(
            "there is no classifier here", on=str(folder), remedy="run `shotline train DATA` first"
        ) from error
    except (OSError, ValueError) as error:
        raise UserInputError("the bundle's facts cannot be read", on=str(path), remedy=BUNDLE_REMEDY) from error
    version = facts.get("version") if isinstance(facts, dict) else None
    if version != BUNDLE_VERSION:
        raise OtherBundleVersionError(
            f"the bundle has version {version!r}; this program reads version {BUNDLE_VERSION}",
            on=str(path),
            remedy="train again, or use the program that wrote it",
        )
    if not isinstance(facts.get("files"), dict):
        raise UserInputError("the bundle's facts name no files", on=str(path), remedy=BUNDLE_REMEDY)
    return facts  # type: ignore[no-any-return]
