"""A run's memory on disk: a log of JSON lines and one checkpoint that a stopped run goes on from."""

import json
from pathlib import Path
from typing import Any

import torch

from components.errors import ShotlineError
from components.files import atomic_path

__all__ = ["Journal"]


class Journal:
    """Log and checkpoints of one run in one folder.

    Args:
        folder: made when missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def record(self, event: str, **facts: Any) -> None:
        """Append one line to `log.jsonl`."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"event": event, **facts}, sort_keys=True) + "\n")

    def save(self, name: str, belongs_to: str, state: dict[str, Any]) -> None:
        """Replace the checkpoint `name` atomically; `belongs_to` is the digest of the parameters that made it."""
        with atomic_path(self._path(name)) as beside:
            torch.save({"run": belongs_to, "state": state}, beside)

    def load(self, name: str, belongs_to: str) -> dict[str, Any] | None:
        """The checkpoint `name`, or None if there is none yet; one made by other parameters is refused."""
        path = self._path(name)
        if not path.exists():
            return None
        content = torch.load(path, weights_only=True)
        if content["run"] != belongs_to:
            raise ShotlineError(
                "the checkpoint belongs to a run with other parameters",
                on=str(path),
                remedy="choose another run folder, or remove this one",
            )
        state: dict[str, Any] = content["state"]
        return state

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"
