"""Commands that evaluate: the report, a comparison of two classifiers, and new photos against the learnt ones."""

from __future__ import annotations

import json
import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.errors import UserInputError
from flows.commands.shared import WorkspaceOption

if TYPE_CHECKING:
    from components.artefacts import AnsweredPhoto

__all__ = ["commands"]

commands = typer.Typer()

_ANSWERS = "reports/answers.csv"


@commands.command()
def report(
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write reports/report.html anew: how good it is, where it is wrong, why it can be trusted."""
    from components.report import write_report
    from components.workspace import Workspace

    path = write_report(Workspace.find(workspace))
    typer.echo(os.path.relpath(path))
    if open_it:
        webbrowser.open(path.as_uri())


@commands.command()
def compare(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A live version, a git revision, a workspace, or a table answers.csv.")
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as a page with photos, too.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Compare two classifiers on the same photos: what became right, what became wrong, and whether it is chance."""
    from components.report import compare as compare_answers
    from components.report import write_comparison
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    sides = [_answers_of(name, place) for name in (first, second)]
    found = compare_answers(*sides, names=_called(first, second))
    if html is not None:
        write_comparison(html, found, place.root)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        typer.echo("\n".join(found.told))


@commands.command()
def shift(
    folder: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="New photos; no labels are needed.")] = None,
    kept: Annotated[
        bool, typer.Option("--kept", help="Instead: the random sample of photos that `shotline serve --keep` kept.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say whether new photos are unlike those that were learnt from, which ones, and in what way; also to a Prefect server
    that PREFECT_API_URL names, as the event shotline.photos.shifted."""
    from components.backbone import BackboneSettings
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    if (folder is None) != kept:
        raise UserInputError(
            "no photos are named" if folder is None else "a folder is named, and what the service kept too",
            on="shotline shift",
            remedy="name a folder with photos, or give --kept",
        )
    if folder is not None and not folder.is_dir():  # checked before a model is loaded
        raise UserInputError("there is no such folder", on=str(folder), remedy="name a folder with photos")
    from components.serving.answers import PhotoClassifier
    from components.serving.unlike import shift_of_folder, shift_of_kept

    classifier = PhotoClassifier.load(place.models, place.parameters.section("backbone", BackboneSettings))
    found = shift_of_kept(place, classifier) if folder is None else shift_of_folder(place, classifier, folder)
    typer.echo(json.dumps(found.to_json(), ensure_ascii=False) if as_json else "\n".join(found.told))
    if found.alarm and os.environ.get("PREFECT_API_URL"):
        from flows.events import SHIFTED, emit

        emit(place, SHIFTED, {"told": "\n".join(found.told)})


def _called(first: str, second: str) -> tuple[str, str]:
    """Names of both for people: a folder's own name, unless both would then have the same."""
    short = [Path(name).resolve().name if Path(name).exists() else name for name in (first, second)]
    return (first, second) if short[0] == short[1] else (short[0], short[1])


def _answers_of(name: str, workspace: Any) -> list[AnsweredPhoto]:
    """The answers of the version, revision, workspace or table of that name to the measured photos.

    Raises:
        UserInputError: there is nothing of that name, or it has no answers.
    """
    from components.artefacts import read_answers
    from components.live import Versions

    path = Path(name)
    if path.is_dir():
        path = path / _ANSWERS if (path / _ANSWERS).is_file() else path / "answers.csv"
    if path.is_file():
        return read_answers(path.read_text(encoding="utf-8"), on=str(path))
    if Path(name).exists():
        raise UserInputError(
            "the folder has no reports/answers.csv", on=name, remedy="train there first, or name another one"
        )
    versions = Versions(workspace.live)
    if any(version.name.startswith(name) for version in versions.all()):
        from components.stages.answered_by import answered_by
        from flows.console import ConsoleReporter

        return answered_by(workspace, versions.path(versions.find(name)), ConsoleReporter())
    from flows.dvc import Pipeline

    return read_answers(Pipeline(workspace).read_at(_ANSWERS, name), on=f"{_ANSWERS} at {name}")
