"""`shotline`: the one door for people. Every command imports what it needs in its body: --help must be quick."""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from components.errors import ShotlineError, UserInputError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A few photos a class become a deployed image classifier.",
)

_afterwards = contextlib.ExitStack()  # what commands leave to be done when they have ended, well or not

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Folder of the workspace; default: the one you are in.")
]


@app.command()
def train(
    photos: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="A folder with a folder per class, or a CSV, Parquet or CoOp split file. Default: data/raw as it is.",
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=0, help="Labelled photos a class; 0 takes all.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Which photos are drawn.")] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="embedded, MODEL/TAG (ViT-B-16/openai), or weights of yours: a checkpoint folder, or MODEL/PATH.safetensors."
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Without Prefect; the same stages and files.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let DATA take the place of other photos in data/raw.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train a classifier from photos, and measure and package it."""
    from components.stages import check_parameters
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    check_parameters(place)
    if backbone is not None:
        from components.backbone import adopt_checkpoint

        backbone = adopt_checkpoint(backbone, place.models)
    if photos is not None:
        _copy_photos(photos, place, replace=replace)
    place.set_parameters({"ingest.shots": shots, "ingest.seed": seed, "backbone.name": backbone})
    from flows.console import ConsoleReporter

    reporter = ConsoleReporter()
    if plain:
        from flows.pipeline import walk

        walk(place, reporter)
    else:
        _expect_prefect()
        from flows.train import run_train

        run_train(place, reporter)
    _keep_online(place)
    _show_result(place)


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="A stage of dvc.yaml.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Run one stage, whether or not it is up to date; `dvc repro` calls this."""
    from components.stages import run_stage
    from components.workspace import Workspace
    from flows.console import ConsoleReporter

    run_stage(name, Workspace.find(workspace), ConsoleReporter())


@app.command()
def classify(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    workspace: WorkspaceOption = None,
) -> None:
    """Say what is on photos."""
    from components.backbone import BackboneSettings
    from components.serving.answers import Answer, PhotoClassifier
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    settings = place.parameters.section("backbone", BackboneSettings)
    _tell_what_is_not_live(place)
    classifier = PhotoClassifier.load(place.models, settings, top=top)
    failed = False
    for path, answer in classifier.answer_files(images):
        if isinstance(answer, Answer):
            line = (
                json.dumps({"path": str(path), **answer.to_json()}, ensure_ascii=False)
                if as_json
                else _readable(path, answer)
            )
            typer.echo(line)
        else:
            failed = True
            if as_json:
                typer.echo(
                    json.dumps({"path": str(path), "error": f"{answer.what}; {answer.remedy}"}, ensure_ascii=False)
                )
            else:
                typer.echo(f"{path}: {answer.what}; {answer.remedy}", err=True)
    if failed:
        raise typer.Exit(UserInputError.exit_code)


@app.command()
def search(
    query: Annotated[str, typer.Argument(metavar="TEXT | IMAGE", help="What to look for: words, or a photo.")],
    top: Annotated[int, typer.Option(min=1, help="How many photos at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
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


@app.command()
def classes(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the classes that are live, and where each comes from."""
    from components.serving.classes import class_rows

    versions = _live_workspace(workspace).versions
    version = _live(versions)
    for row in class_rows(*versions.load(version)):
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            since = f", since {row['since'][:16].replace('T', ' ')} UTC" if row["since"] else ""
            typer.echo(f"{row['class']}  ({row['kind']}, {row['photos']} photos{since})")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file to write: .safetensors or .npz.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write the live classes as vectors that other CLIP programs take; see docs/export.md."""
    from components.serving.export import write_export

    versions = _live_workspace(workspace).versions
    facts = write_export(path, *versions.load(_live(versions)))
    how = "exact" if facts["trained_are_exact"] else f"a stand-in for {facts['head']}"
    typer.echo(
        f"{path}: {len(facts['classes'])} classes of {facts['bank']}; trained ones are {how}, "
        f"with the same first answer on {facts['agreement']:.1%} of the support photos"
    )


@app.command("add-class")
def add_class(
    name: Annotated[str, typer.Argument(help="What it is called, in words.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos of it, or folders with them.")],
    force: Annotated[bool, typer.Option("--force", help="Overrule the gate; the ledger says so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add a class to what is live, or photos to an added one; no weight is trained, and it can be taken back."""
    from components.workspace import Workspace
    from flows.classes import add, explain
    from flows.console import console

    place = Workspace.find(workspace)
    outcome = add(place, {name: images}, force=force)
    _keep_online(place)
    for refused in outcome.refused:
        console.print(f"  not used: {refused.on}: {refused.what}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), ensure_ascii=False))
    else:
        typer.echo(explain(outcome))


@app.command()
def watch(
    inbox: Annotated[Path, typer.Argument(help="A folder with a folder per class, into which photos are dropped.")],
    announce: Annotated[
        bool, typer.Option("--announce", help="Leave the photos, and tell `shotline listen` by a Prefect event.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add classes from an inbox as photos arrive there, until Ctrl-C."""
    _quiet_prefect()
    from components.workspace import Workspace
    from flows.console import tell
    from flows.watch import watch_workspace

    watch_workspace(Workspace.find(workspace), inbox, tell, announce=announce)


@app.command()
def listen(
    inbox: Annotated[Path, typer.Argument(help="The inbox that `shotline watch --announce` looks at.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the flow add-class to a Prefect server, which starts it when photos are announced, until Ctrl-C."""
    from components.workspace import Workspace
    from flows.console import tell
    from flows.deployments import listen as serve_deployment

    serve_deployment(Workspace.find(workspace), inbox, tell)


@app.command("remove-class")
def remove_class(
    name: Annotated[str, typer.Argument(help="An added class.")], workspace: WorkspaceOption = None
) -> None:
    """Take an added class out again; all other answers are as if it had never been there."""
    live = _live_workspace(workspace)
    typer.echo(_moved(live.changes.remove(name, live.stamp())))


@app.command("rename-class")
def rename_class(
    name: Annotated[str, typer.Argument(help="An added class.")],
    new_name: Annotated[str, typer.Argument(help="What it is to be called.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Call an added class something else."""
    live = _live_workspace(workspace)
    typer.echo(_moved(live.changes.rename(name, new_name, live.stamp())))


@app.command()
def consolidate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Classes; default: all that were added or wait.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overrule the gate; the ledger says so.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Without Prefect; the same stages and files.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Move added classes, and photos that wait, into data/raw and train on them; live if the gate lets it."""
    from components.workspace import Workspace
    from flows.console import ConsoleReporter

    run: Callable[..., dict[str, Any]]
    if plain:
        from flows.consolidation import consolidate_classes

        run = consolidate_classes
    else:
        _expect_prefect()
        from flows.consolidate import run_consolidate

        run = run_consolidate
    place = Workspace.find(workspace)
    outcome = run(place, tuple(names or ()), ConsoleReporter(), force=force)
    _keep_online(place)
    typer.echo("\n".join(outcome["told"]))


@app.command()
def publish(workspace: WorkspaceOption = None) -> None:
    """Make live what `dvc repro` or `dvc pull` left in models/bundle; training does so by itself."""
    from components.workspace import Workspace
    from flows.pipeline import told_of_bundle

    live = _live_workspace(workspace)
    live.consolidation.require_settled()
    before = live.versions.current_name()
    change = live.changes.adopt(Workspace.find(workspace).bundle, live.stamp())
    told = (
        [f"live: {before}, as before"] if change is None else [f"live: {change.version.name}", *told_of_bundle(change)]
    )
    typer.echo("\n".join(told))


@app.command()
def rollback(
    version: Annotated[
        str | None, typer.Argument(help="A live version, or how its name begins; default: the one before.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Make an earlier version live again."""
    live = _live_workspace(workspace)
    change = live.changes.roll_back(live.stamp(), version)
    typer.echo(_moved(change))
    if change.version.bundle != change.before.bundle:
        typer.echo("data/raw and models/bundle stay as they are: training again makes their classifier live")


@app.command()
def versions(workspace: WorkspaceOption = None) -> None:
    """List the versions that were live, newest last; the one in use has a star."""

    known = _live_workspace(workspace).versions
    current = _live(known)
    for version in known.all():
        added = f"  with {', '.join(version.classes)}" if version.classes else ""
        typer.echo(
            f"{'*' if version == current else ' '} {version.name}  {version.made[:16].replace('T', ' ')} UTC{added}"
        )


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="V1", help="A live version.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="Another.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Say how two versions differ: bundle, classes, photos."""
    from components.serving.classes import class_rows

    known = _live_workspace(workspace).versions
    before, after = known.find(first), known.find(second)
    if before.bundle != after.bundle:
        typer.echo(f"bundle: {before.bundle} -> {after.bundle}")
    rows = [{row["class"]: row for row in class_rows(*known.load(each))} for each in (before, after)]
    for name in dict.fromkeys([*rows[0], *rows[1]]):
        here, there = rows[0].get(name), rows[1].get(name)
        if there is None:
            typer.echo(f"- {name}")
        elif here is None:
            typer.echo(f"+ {name}  ({there['kind']}, {there['photos']} photos)")
        elif (here["kind"], here["photos"]) != (there["kind"], there["photos"]):
            typer.echo(
                f"~ {name}  {here['kind']}, {here['photos']} photos -> {there['kind']}, {there['photos']} photos"
            )


@app.command()
def vocabulary(workspace: WorkspaceOption = None) -> None:
    """Build the whole vocabulary that judges names, or wait for the one that is being built; `add-class` begins it."""
    from components.workspace import Workspace
    from flows.classes import build_vocabulary
    from flows.console import ConsoleReporter

    reporter = ConsoleReporter()
    words = build_vocabulary(Workspace.find(workspace), lambda done, of: reporter.progress(done, of, "words"))
    typer.echo(f"{words:,} words")


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is not there.")],
    seed: Annotated[int, typer.Option(help="Another seed draws other photos.")] = 0,
) -> None:
    """Draw a set of inspection photos, for trying Shotline without photos at hand."""
    from components.sample import draw_sample
    from flows.console import ConsoleReporter

    reporter = ConsoleReporter()
    draw_sample(folder, seed=seed, progress=lambda done, total: reporter.progress(done, total, "photos"))
    typer.echo(folder)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve what is live over HTTP: POST /classify, /embed, /search."""
    from components.backbone import BackboneSettings
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    if not (place.bundle / "bundle.json").is_file():
        raise UserInputError(
            "there is no trained classifier to serve", on=str(place.bundle), remedy="run `shotline train DATA` first"
        )
    _check_port(host, port)
    _tell_what_is_not_live(place)
    settings = place.parameters.section("backbone", BackboneSettings)
    os.environ["SHOTLINE_WORKSPACE"] = str(place.root)
    os.environ.setdefault("SHOTLINE_DEVICE", settings.device)
    os.environ.setdefault("SHOTLINE_PRECISION", settings.precision)
    arguments = ["serve", "components.serving.service:Shotline", "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *arguments])  # signals then reach BentoML itself


@app.command()
def pretrain(
    pictures: Annotated[Path, typer.Option(help="Folder with train.zip and val.zip of labelled pictures.")],
    lexicon: Annotated[Path, typer.Option(help="text_lexicon.npz: names and a CLIP's text embeddings of them.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the model.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and the log; the same one goes on.")],
) -> None:
    """Train the small CLIP that models/embedded holds, anew; needs the extra `pretrain`, takes hours."""
    from components.pretrain import PretrainParameters, PretrainSources
    from components.pretrain import pretrain as train_embedded

    facts = train_embedded(PretrainParameters(), PretrainSources(pictures, lexicon), run, output)
    typer.echo(json.dumps(facts, indent=2))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of ours become three lines and their exit code."""
    # The libraries make half a million objects that stay: looking through them again and again while they are imported,
    # and once more at the end, takes over a second.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    try:
        with _afterwards:
            app(args=list(arguments) if arguments is not None else None)
    except ShotlineError as error:
        from flows.console import show_error

        show_error(error)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a missing permission: where, but no stack
        from flows.console import show_error

        told = ShotlineError(
            f"the system refused: {error.strerror or error}",
            on=str(error.filename or "no file in particular"),
            remedy="see to the disk, the permissions or the network, then run again",
        )
        show_error(told)
        sys.exit(told.exit_code)


def _quiet_prefect() -> None:
    """The terminal hears of progress and errors from us; Prefect's own lines go to its server alone."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def _live_workspace(workspace: Path | None) -> Any:
    from components.live.opening import LiveWorkspace
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    # When the command is done: what it has changed, and what an earlier one could not write.
    _afterwards.callback(_keep_online, place)
    return LiveWorkspace.open(place)


def _keep_online(workspace: Any) -> None:
    from flows.console import console
    from flows.online import keep_online

    if failure := keep_online(workspace):
        console.print(
            f"Feast's online store was behind, and is tried again: {failure}", markup=False, soft_wrap=True, style="dim"
        )


def _live(versions: Any) -> Any:
    version = versions.current()
    if version is None:
        raise UserInputError(
            "nothing is live yet", on=str(versions.folder), remedy="train first: shotline train PHOTOS"
        )
    return version


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


def _expect_prefect() -> None:
    from flows.console import console

    if not os.environ.get("PREFECT_API_URL"):
        console.print(
            "[dim]starting a temporary Prefect server (PREFECT_API_URL names a running one, --plain does without)[/dim]"
        )
    _quiet_prefect()


def _moved(change: Any) -> str:
    if change.version == change.before:
        return f"live: {change.version.name}, as before"
    return f"live: {change.version.name} (before: {change.before.name}; back: shotline rollback {change.before.name})"


def _copy_photos(photos: Path, workspace: Any, *, replace: bool) -> None:
    from components.ingest import copy_photos
    from flows.console import ConsoleReporter

    reporter = ConsoleReporter()
    aside = copy_photos(
        photos,
        workspace.raw,
        replace=replace,
        progress=lambda done, total: reporter.progress(done, total, "photos copied"),
    )
    if aside is not None:
        reporter.note(f"the photos that were in data/raw are now in {os.path.relpath(aside)}")


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


def _readable(path: Path, answer: Any) -> str:
    best, *others = answer.top
    rest = ", ".join(f"{_named(ranked)} {ranked.probability:.0%}" for ranked in others[:2])
    verdict = "unknown; nearest is " if answer.abstained else ""
    return f"{path}: {verdict}{_named(best)} {best.probability:.0%}" + (f" ({rest})" if rest else "")


def _named(ranked: Any) -> str:
    """The class's folder, and beside it the words for it where they are others."""
    if ranked.display_name == ranked.class_name:
        return str(ranked.class_name)
    return f'{ranked.class_name} "{ranked.display_name}"'


def _show_result(workspace: Any) -> None:
    report = workspace.reports / "report.txt"
    if report.is_file():
        typer.echo(report.read_text(encoding="utf-8"), nl=False)
    typer.echo(f"bundle: {os.path.relpath(workspace.bundle)}")
    typer.echo("serve:  shotline serve")
