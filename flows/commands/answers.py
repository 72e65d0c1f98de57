"""Commands that ask the live classifier: about photos, for similar photos, over HTTP."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from components.errors import UserInputError
from flows.commands.shared import WorkspaceOption

__all__ = ["commands"]

commands = typer.Typer()


# Over 60 lines: each option is an argument.
@commands.command()
def classify(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE | FOLDER...",
            help="Photos; folders, read to any depth; zip archives; patterns in quotes; lists (.txt with a path a line, or "
            "CSV or Parquet with a column path); - for paths on standard input.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    top: Annotated[int | None, typer.Option(min=1, help="How many classes to name; default: 3, with --json 5.")] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a CSV table, a row per photo; stopped, it goes on."),
    ] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as Parquet.")] = None,
    signature: Annotated[
        bool, typer.Option("--signature", help="Begin the CSV with UTF-8's signature, which Excel looks for.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Make rows that are in the table again.")] = False,
    only_unsure: Annotated[
        bool, typer.Option("--only-unsure", help="Leave out answers that are known and have one likely class.")
    ] = False,
    sort_into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Copy the photos into a folder per class, unknown ones into a folder apart."),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Sort by hard links where they are possible.")] = False,
    contact_sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page of thumbnails by class.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Say what is on photos: a few in words, a folder as a table."""
    from components.backbone import BackboneSettings
    from components.workspace import Workspace
    from flows.commands.many_photos import AnswerOutputs, classify_many, names_given, photos_given

    if csv is not None and parquet is not None:
        raise UserInputError("both --csv and --parquet are given", on=f"{csv}, {parquet}", remedy="ask for one")
    place = Workspace.find(workspace)
    settings = place.parameters.section("backbone", BackboneSettings)
    _tell_what_is_not_live(place)
    names = names_given(images)
    outputs = AnswerOutputs(
        parquet if csv is None else csv,
        "csv" if parquet is None else "parquet",
        signature,
        anew,
        sort_into,
        link,
        contact_sheet,
        only_unsure,
    )
    if as_json and outputs.files:
        raise UserInputError(
            "--json prints answers, and what else is asked for writes files",
            on=str(outputs.files[0]),
            remedy="ask for one",
        )
    outputs.require_places()
    if not any(map(_may_be_there, names)):  # seen at once, without waiting for a model
        if outputs.files or not names:
            raise UserInputError(
                "there is no such file or folder" if names else "there is no photo",
                on=", ".join(names[:3]) or "standard input",
                remedy="check the path; nothing was written" if names else "name photos",
            )
        failed = _print_answers(_not_there(names), as_json)
    else:
        from components.serving.answers import PhotoClassifier

        named = top or (5 if as_json else 3)
        classifier = PhotoClassifier.load(place.models, settings, top=max(2, named))
        if outputs.files:
            failed = classify_many(names, classifier, outputs) > 0
        else:
            photos = photos_given(names, outputs, classifier.bundle.limits)
            answers = _answers(photos, classifier, only_unsure=only_unsure)
            failed = _print_answers(answers, as_json, named)
    if failed:
        raise typer.Exit(UserInputError.exit_code)


@commands.command()
def search(
    query: Annotated[str, typer.Argument(metavar="TEXT | IMAGE", help="What to look for: words, or a photo.")],
    top: Annotated[int, typer.Option(min=1, help="How many photos at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Find the photos of the last training, and of added classes, that resemble a text or a photo."""
    from components.serving.search import search as search_photos
    from components.workspace import Workspace
    from flows.console import console

    place = Workspace.find(workspace)
    found, photos = search_photos(place, query, top)
    for each in found:
        path = os.path.relpath(place.root / each.path)
        if as_json:
            typer.echo(json.dumps({**each.to_json(), "path": path}, ensure_ascii=False))
        else:
            typer.echo(f"{each.similarity:.3f}  {each.class_name}  {path}")
    if photos.not_drawn:
        console.print(
            f"  among {len(photos.table)} photos; {photos.not_drawn} in data/raw were not drawn (ingest.shots)",
            style="dim",
        )


@commands.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A site whose pages may use it, such as https://a.example; * for all."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="The path under which a proxy offers it, such as /shotline.")
    ] = "",
    workers: Annotated[int, typer.Option(min=1, help="Processes that speak with clients, where there are cores.")] = 1,
    classifiers: Annotated[int, typer.Option(min=1, help="Processes that hold the model; more pay on a GPU.")] = 1,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep in the pool the photos that were unknown or close calls, and a small sample."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the workspace over HTTP: a page to try and teach, POST /classify, /embed, /search; see docs/serving.md.

    On this machine's own address it prints a link that lets one browser change classes; elsewhere SHOTLINE_ADMIN_TOKEN does.
    """
    from components.backbone import BackboneSettings
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    _check_port(host, port)
    _tell_what_is_not_live(place)
    settings = place.parameters.section("backbone", BackboneSettings)
    os.environ["SHOTLINE_WORKSPACE"] = str(place.root)
    os.environ.setdefault("SHOTLINE_DEVICE", settings.device)
    os.environ.setdefault("SHOTLINE_PRECISION", settings.precision)
    os.environ["SHOTLINE_WORKERS"], os.environ["SHOTLINE_CLASSIFIERS"] = str(workers), str(classifiers)
    os.environ["SHOTLINE_KEEP"] = "1" if keep else "0"
    if keep:
        _tell_what_is_kept()
    if cors:
        os.environ["SHOTLINE_CORS"] = " ".join(cors)
    if root_path:
        os.environ["SHOTLINE_ROOT_PATH"] = root_path
    _offer_page(host, port)
    arguments = ["serve", "components.serving.service:Shotline", "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *arguments])  # signals then reach BentoML itself


def _offer_page(host: str, port: int) -> None:
    """Print the page's address; on this machine's own address with a one-time code for the admin token.

    Raises:
        UserInputError: the admin token that is given cannot be used.
    """
    import hashlib
    import secrets
    import tempfile

    from components.serving.edge.guard import admin_token
    from flows.console import console

    token = admin_token()
    loopback = host in ("127.0.0.1", "localhost", "::1")
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    if loopback:
        os.environ["SHOTLINE_ADMIN_TOKEN"] = token or secrets.token_urlsafe(32)
        code = secrets.token_urlsafe(16)
        handle, link = tempfile.mkstemp(prefix="shotline-link-")  # nobody else may read it
        with os.fdopen(handle, "w") as file:
            file.write(hashlib.sha256(code.encode()).hexdigest())
        os.environ["SHOTLINE_ADMIN_LINK"] = link
        console.print(f"page: {address}#open={code}", markup=False, soft_wrap=True)
        console.print("  it lets the browser that opens it first teach and undo; others try only", style="dim")
    else:
        console.print(f"page: {address}", markup=False, soft_wrap=True)
        if token is None:
            console.print(
                "  without SHOTLINE_ADMIN_TOKEN nothing can be changed through it", style="dim", soft_wrap=True
            )


def _may_be_there(name: str) -> bool:
    import glob

    return os.path.exists(name) or glob.has_magic(name)  # noqa: PTH110 (a name that no path can be is not there)


def _tell_what_is_kept() -> None:
    from flows.console import console

    console.print(
        "photos that are sent may be kept in data/pool, with whatever they show, faces and number plates too: see that you "
        "may keep them; shotline pool drop --from-service forgets them",
        soft_wrap=True,
    )


def _not_there(names: list[str]) -> Iterator[tuple[str, Any]]:
    """Each path that does not exist, with its error."""
    from components.ingest import Limits, PhotoError, read_photo

    for name in names:
        try:
            read_photo(Path(name), Limits(), name=name)
        except PhotoError as error:
            yield name, error


def _answers(photos: Any, classifier: Any, *, only_unsure: bool) -> Iterator[tuple[str, Any]]:
    from components.serving.table.making import answers_to
    from components.serving.table.rows import is_unsure, row_of

    for answered in answers_to(photos, classifier):
        for photo, answer in answered:
            if not only_unsure or is_unsure(row_of(photo.name, answer)):
                yield photo.name, answer


def _print_answers(answers: Iterable[tuple[str, Any]], as_json: bool, named: int = 1) -> bool:
    """Print answers as they come, with `named` classes each; returns whether a photo has no answer."""
    from dataclasses import replace

    from components.ingest import PhotoError
    from components.serving.results import answer_line

    failed = False
    for name, answer in answers:
        if isinstance(answer, PhotoError):
            failed = True
        else:
            answer = replace(answer, top=answer.top[:named])
        if as_json:
            typer.echo(json.dumps(answer_line(name, answer), ensure_ascii=False))
        elif isinstance(answer, PhotoError):
            typer.echo(f"{name}: {answer.what}; {answer.remedy}", err=True)
        else:
            typer.echo(_readable(name, answer))
    return failed


def _tell_what_is_not_live(workspace: Any) -> None:
    from components.live import Versions

    versions = Versions(workspace.live)
    if newer := versions.not_live(workspace.bundle):
        from flows.console import console

        console.print(
            f"note: models/bundle holds {newer}, which is not live; {versions.current_name()} answers "
            "(shotline publish makes the other live)",
            markup=False,
            soft_wrap=True,
        )


def _check_port(host: str, port: int) -> None:
    import socket

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise UserInputError(
                f"cannot listen there: {error.strerror}", on=f"{host}:{port}", remedy="name a free one with --port"
            ) from error


def _readable(path: str, answer: Any) -> str:
    best, *others = answer.top
    rest = ", ".join(f"{_named(ranked)} {ranked.probability:.0%}" for ranked in others)
    verdict = "unknown; nearest is " if answer.abstained else ""
    others_likely = [name for name in answer.likely if name != best.class_name]
    likely = f"; likely: {', '.join(answer.likely)}" if others_likely else ""
    flaw = f"; about the file: {answer.flaw}" if answer.flaw else ""
    return f"{path}: {verdict}{_named(best)} {best.probability:.0%}" + (f" ({rest})" if rest else "") + likely + flaw


def _named(ranked: Any) -> str:
    """The class's folder, and its words if they differ."""
    if ranked.display_name == ranked.class_name:
        return str(ranked.class_name)
    return f'{ranked.class_name} "{ranked.display_name}"'
