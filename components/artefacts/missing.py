"""The one error where a stage has not run yet."""

from __future__ import annotations

from pathlib import Path

from components.errors import UserInputError

__all__ = ["existing"]


def existing(path: Path) -> Path:
    """Returns `path`, once it is seen to be there.

    Raises:
        UserInputError: it is not there; the stage that writes it has not run.
    """
    if not path.is_file():
        raise UserInputError(
            "the output of an earlier stage is missing", on=str(path), remedy="run `shotline train` or `dvc repro`"
        )
    return path
