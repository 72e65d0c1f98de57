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
        run: digest of the parameters; a checkpoint of other parameters is refused.
    """

    def __init__(self, folder: Path, run: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.run = run

    def record(self, event: str, **facts: Any) -> None:
        """Append one line to `log.jsonl`."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"event": event, **facts}, sort_keys=True) + "\n")

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Replace the checkpoint `name` atomically."""
        with atomic_path(self._path(name)) as beside:
            torch.save({"run": self.run, "state": state}, beside)

    def load(self, name: str) -> dict[str, Any] | None:
        """The checkpoint `name`, or None where there is none yet."""
        path = self._path(name)
        if not path.exists():
            return None
        content = torch.load(path, weights_only=True)
        if content["run"] != self.run:
            raise ShotlineError(
                "the checkpoint belongs to a run with other parameters",
                on=str(path),
                remedy="choose another run folder, or remove this one",
            )
        state: dict[str, Any] = content["state"]
        return state

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"
