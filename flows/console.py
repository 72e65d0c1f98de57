"""Terminal output: progress and notes on standard error, results on standard output."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from components.errors import ShotlineError

__all__ = ["ConsoleReporter", "console", "show_error", "tell"]

console = Console(stderr=True, highlight=False)


class ConsoleReporter:
    """A `components.stages.Reporter`: a line per stage, and a progress bar."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, stage: str) -> None:
        """Show the stage's name."""
        console.print(f"[bold]{stage}[/bold]")

    def progress(self, done: int, total: int, what: str) -> None:
        """Move the bar, which appears at the first call and disappears at the last."""
        if total == 0:
            return
        if self._progress is None:
            columns = (TextColumn("  {task.description}"), BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
            self._progress.start()
            self._task = self._progress.add_task(what, total=total)
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total, description=what)
        if done >= total:
            self._stop()

    def note(self, text: str) -> None:
        """Print one line; a terminal breaks it between words, elsewhere it stays whole."""
        if console.is_terminal:
            console.print(Padding(Text(text), (0, 0, 0, 2)))
        else:
            console.print(f"  {text}", markup=False, soft_wrap=True)

    def end(self, stage: str, seconds: float) -> None:
        """Say how long the stage took."""
        self._stop()
        console.print(f"  [dim]{seconds:.1f} s[/dim]")

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None


def show_error(error: ShotlineError) -> None:
    """The three lines of an error: what, on what, what to do."""
    console.print("[red]error:[/red] ", end="")
    console.print(error.what, markup=False, soft_wrap=True)
    console.print(f"   on: {error.on}", markup=False, soft_wrap=True)
    console.print(f"   do: {error.remedy}", markup=False, soft_wrap=True)


def tell(text: str) -> None:
    """Print lines with the time of day, for long-running commands."""
    console.print(f"{datetime.now():%H:%M:%S} {text}", markup=False, soft_wrap=True)
