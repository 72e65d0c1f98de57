"""`shotline`: the command line."""

import atexit
import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.stopping import stoppable

if TYPE_CHECKING:
    import typer

__all__ = ["build", "main"]


def build() -> "typer.Typer":
    """All commands; each imports what it needs when it runs."""
    import typer

    from flows.commands import (
        answers,
        backbones,
        benchmark,
        classes,
        labels,
        packaging,
        pool,
        reports,
        taking,
        training,
        upkeep,
        workspaces,
    )

    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its boxes take two thirds of the time of --help and of a mistyped command
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for group in (
        *(workspaces, backbones, training, packaging, answers, taking),
        *(reports, classes, labels, upkeep, benchmark),
    ):
        app.add_typer(group.commands)
    app.add_typer(pool.commands, name="pool")

    app.callback()(workspaces.about)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a ShotlineError is printed as three lines and sets the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with stoppable(given):
        _run(given)


def _run(arguments: list[str]) -> None:
    # The libraries create half a million permanent objects: collecting garbage among them while they are imported, and
    # once more at the end, takes over a second.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    from components.errors import ShotlineError
    from flows.commands.shared import afterwards

    try:
        with afterwards:
            build()(args=arguments)
    except ShotlineError as error:
        from flows.console import show_error

        show_error(error)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a missing permission: the path, but no traceback
        from flows.console import show_error

        told = ShotlineError(
            f"the system refused: {error.strerror or error}",
            on=str(error.filename or "no file in particular"),
            remedy="see to the disk, the permissions or the network, then run again",
        )
        show_error(told)
        sys.exit(told.exit_code)
