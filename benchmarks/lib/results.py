"""What a benchmark measured: `results/NAME.json`, with the command, the commit, the date and the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from .tables import Table

__all__ = ["RESULTS", "Result", "machine"]

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Result:
    """What one run measured.

    Attributes:
        commands: what repeats it, from the repository's root.
        commit: of the code that measured; None where it is not known.
        date: of the measurement, as in 2026-01-31; None where it is not known.
        machine: processor, cores and system; None where it is not known.
        recorded: the figures were copied from a document that was written before results were kept.
        tables: the figures, as they are shown.
    """

    commands: tuple[str, ...]
    commit: str | None
    date: str | None
    machine: str | None
    recorded: bool
    tables: tuple[Table, ...]

    @classmethod
    def read(cls, name: str, folder: Path = RESULTS) -> Result:
        """The result `name`.

        Raises:
            FileNotFoundError: there is none.
        """
        content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        tables = tuple(
            Table(tuple(each["header"]), tuple(each["right"]), tuple(map(tuple, each["rows"])))
            for each in content.pop("tables")
        )
        return cls(commands=tuple(content.pop("commands")), tables=tables, **content)

    def write(self, name: str, folder: Path = RESULTS) -> Path:
        """Write it as the result `name`; one that is there is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return path

    def table(self, number: int) -> Table:
        """The table `number`, from 1.

        Raises:
            IndexError: there are fewer.
        """
        if not 0 < number <= len(self.tables):
            raise IndexError(f"it has {len(self.tables)} tables, and table {number} is asked for")
        return self.tables[number - 1]

    @classmethod
    def of_run(cls, command: str, tables: tuple[Table, ...]) -> Result:
        """What `command` has just measured here."""
        root = RESULTS.parents[1]
        asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        commit = (
            f"{asked.stdout.strip()}{'+changes' if changed.stdout.strip() else ''}" if asked.returncode == 0 else None
        )
        return cls((command,), commit, datetime.now(UTC).date().isoformat(), machine(), False, tables)


def machine() -> str:
    """Processor, cores and system of this machine, without its name."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        processor = models[0].partition(":")[2].strip() if models else processor
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
