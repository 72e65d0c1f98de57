"""The command that hands the Bento to BentoML."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.shared import WorkspaceOption

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def package(
    store: Annotated[
        bool, typer.Option("--store", help="Put it into BentoML's store: bentoml list, serve, containerize, export.")
    ] = False,
    cuda: Annotated[bool, typer.Option("--cuda", help="With --store: containers get torch with CUDA.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say where the Bento of the last training is, or put it into BentoML's store."""
    import os

    from components.errors import UserInputError
    from components.packaging.store import bento_tag, put_into_store
    from components.workspace import Workspace
    from flows.console import tell

    place = Workspace.find(workspace)
    if cuda and not store:
        raise UserInputError("--cuda says what the store's Bento needs", on="--cuda", remedy="add --store")
    tag = put_into_store(place.bento, cuda=cuda) if store else bento_tag(place.bento)
    if (live := _live(place)) not in (None, tag.partition(":")[2]):
        tell(f"{live} is live by now, with classes added or taken out since; dvc repro packages it")
    typer.echo(tag)
    tell(f"bentoml serve {tag}" if store else f"bentoml serve {os.path.relpath(place.bento)}")


def _live(place: object) -> str | None:
    from components.live import Versions
    from components.workspace import Workspace

    assert isinstance(place, Workspace)
    current = Versions(place.live).current()
    return None if current is None else current.name
