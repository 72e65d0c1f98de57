"""The results so far: one line of JSON per task, written at once, so that a stopped run can continue."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Measured", "Results"]


@dataclass(frozen=True)
class Measured:
    """One task: a set, a way to cut it, shots, a seed.

    Attributes:
        of: digest of everything on which the figures depend: photos, backbone, heads, settings.
        set: its name.
        setting: `all` classes; `base` the first half, `new` the other; or the name of a set that shifts ImageNet.
        shots: labelled photos per class.
        seed: which were drawn.
        classes: how many.
        query: number of photos that were measured on.
        top1: of each head, 0 to 1.
        shipped: the head that the support folds chose; empty if nothing was chosen.
    """

    of: str
    set: str
    setting: str
    shots: int
    seed: int
    classes: int
    query: int
    top1: dict[str, float]
    shipped: str


class Results:
    """The file `results.jsonl` of a folder.

    Attributes:
        path: the file.
        measured: its complete lines; the incomplete last line of a killed run is ignored.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "results.jsonl"
        self.measured: list[Measured] = []
        if self.path.is_file():
            for line in self.path.read_bytes().split(b"\n")[:-1]:
                self.measured.append(Measured(**json.loads(line)))
            whole = self.path.read_bytes().rpartition(b"\n")
            if whole[2]:
                self.path.write_bytes(whole[0] + whole[1])

    def has(self, of: str) -> bool:
        """Whether a task with this digest is measured."""
        return any(each.of == of for each in self.measured)

    def add(self, measured: Measured) -> None:
        """Append a line, synced."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(measured), ensure_ascii=False, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.measured.append(measured)
