"""The command reference, docs/commands.md, written from what `--help` says of each command.

`python -m flows.reference` writes it anew; a test holds it to the commands.
"""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from components.files import write_text
from flows.cli import build

__all__ = ["REFERENCE", "reference"]

REFERENCE = Path(__file__).resolve().parents[1] / "docs/commands.md"

_WIDTH = 100
_HEAD = """# Commands

What `shotline --help` and `shotline COMMAND --help` say; `python -m flows.reference` writes this page. Results
go to standard output, everything else to standard error. Exit codes: 0 done, 1 a fault of Shotline's, 2 what was given
cannot be used, 3 refused by the gate, 130 and 143 stopped by a signal.
"""


def reference() -> str:
    """The whole page, Markdown."""
    commands = build()
    group: typer.core.TyperGroup = typer.main.get_group(commands)
    shown = [name for name, command in group.commands.items() if not command.hidden]
    return "\n".join(
        [_HEAD, _told(commands), *(_told(commands, *path) for name in shown for path in _paths(group, name))]
    )


def _paths(group: typer.core.TyperGroup, name: str) -> list[tuple[str, ...]]:
    """A command by itself; a group of commands with each of them."""
    command = group.commands[name]
    inner = command.commands if isinstance(command, typer.core.TyperGroup) else {}
    return [(name,), *((name, each) for each in inner)]


def _told(commands: typer.Typer, *name: str) -> str:
    title = " ".join(("shotline", *name))
    asked = CliRunner().invoke(
        commands, [*name, "--help"], prog_name="shotline", terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    return f"## {title}\n\n```\n{asked.stdout.strip()}\n```\n"


if __name__ == "__main__":
    write_text(REFERENCE, reference())
