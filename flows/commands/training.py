"""Commands that train: the pipeline, one stage of it, photos to try it on, the embedded CLIP."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.shared import WorkspaceOption, begin_prefect, checked_workspace, expect_prefect, keep_online

__all__ = ["commands"]

commands = typer.Typer()


# Over 60 lines: each option is an argument.
@commands.command()
def train(
    photos: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="A folder with a folder per class, or a CSV, Parquet or CoOp split file. Default: data/raw as it is.",
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=0, help="Labelled photos per class; 0 takes all.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Which photos are drawn.")] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="embedded, MODEL/TAG (ViT-B-16/openai), hf-hub:OWNER/MODEL, or weights of yours: a checkpoint folder, "
            "or MODEL/PATH.safetensors."
        ),
    ] = None,
    beside: Annotated[
        str | None, typer.Option(help="A second image encoder beside it: none, embedded, or as for --backbone.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Without Prefect; the same stages and files.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let DATA take the place of other photos in data/raw.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Instead: what was known then, beside the workspace, into reports/as_of."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object: what is live now, the bundle, where the metrics are.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train a classifier from photos, and measure and package it."""
    place = checked_workspace(workspace)
    if as_of is not None:
        _train_as_of(place, as_of, as_json, others=[photos, shots, seed, backbone, beside, replace or None])
        return
    if not plain:
        begin_prefect()
    if backbone is None:
        _check_own_backbone(place)
    from components.live.training import TrainingProgress
    from flows.console import ConsoleReporter
    from flows.dvc import Pipeline

    reporter = TrainingProgress(place, ConsoleReporter())
    with place.turn(), reporter.telling():
        # All checks come before anything is copied, moved or written.
        if not plain:
            from flows.running import require_flows

            require_flows()
        pipeline = Pipeline(place)
        pipeline.check(replacing=photos is not None)
        _prepare(
            photos, place, pipeline, reporter, replace=replace, backbone=backbone, beside=beside, shots=shots, seed=seed
        )
        if plain:
            from flows.pipeline import walk

            walk(place, reporter)
        else:
            expect_prefect()
            from flows.train import run_train

            run_train(place, reporter)
    keep_online(place)
    if as_json:
        typer.echo(json.dumps(_result(place), ensure_ascii=False))
    else:
        _show_result(place)


def _train_as_of(place: Any, text: str, as_json: bool, others: list[Any]) -> None:
    """Train on what was known at that time, beside the workspace, and print the result."""
    from components.errors import UserInputError
    from components.stages.as_of import parse_time, train_as_of
    from flows.console import ConsoleReporter

    if any(other is not None for other in others):
        raise UserInputError(
            "photos and parameters are those of that time",
            on="--as-of",
            remedy="give no other but --json and --workspace",
        )
    time = parse_time(text)
    with place.turn():
        found = train_as_of(place, time, ConsoleReporter())
    if as_json:
        told = {**asdict(found), "folder": os.path.relpath(found.folder)}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    added = f", added classes: {', '.join(found.added)}" if found.added else ""
    typer.echo(f"known at {found.time[:19].replace('T', ' ')} UTC: {found.photos:,} photos in data/raw{added}")
    if found.live:
        same = f"bit for bit the live version {found.live}"
    elif found.live_bundle:
        same = "bit for bit a bundle that was live; the added classes beside it differ (shotline versions)"
    else:
        same = (
            "no bundle that was live: photos or parameters have changed otherwise than by arrivals (git and DVC know)"
        )
    typer.echo(f"bundle {found.bundle}: {same}")
    typer.echo(f"in {os.path.relpath(found.folder)}: bundle, bank, reports, params.yaml")


def _check_own_backbone(place: Any) -> None:
    """Check that the backbones that `params.yaml` names are there, if their names lead into the workspace.

    Names of open_clip are checked later, by the stage that needs them, since importing open_clip takes seconds.
    """
    from components.backbone import BackboneSettings, check_backbone

    settings = place.parameters.section("backbone", BackboneSettings)
    for parameter in ("name", "beside"):
        name = getattr(settings, parameter)
        if "/" not in name and name != "none":
            check_backbone(name, models=place.models, on=f"params.yaml: backbone.{parameter}")


@commands.command()
def stage(
    name: Annotated[str, typer.Argument(help="A stage of dvc.yaml.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Run one stage, whether or not it is up to date; `dvc repro` calls this."""
    from components.errors import UserInputError
    from components.stages import STAGES, run_stage
    from components.workspace import Workspace
    from flows.clusters import RUNNERS
    from flows.console import ConsoleReporter

    if name not in STAGES:  # checked before waiting for the turn
        raise UserInputError(f'there is no stage "{name}"', on="dvc.yaml", remedy=f"use one of {', '.join(STAGES)}")
    place = Workspace.find(workspace)
    with place.turn():
        if name == "ingest":
            from flows.photo_links import refuse_links_into_cache

            refuse_links_into_cache(place.raw)
        reporter = ConsoleReporter()
        run_stage(name, place, reporter, RUNNERS)
        if name == "evaluate":
            from flows.pipeline import make_report

            make_report(place, reporter)


@commands.command()
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


@commands.command()
def pretrain(
    pictures: Annotated[Path, typer.Option(help="Folder with train.zip and val.zip of labelled pictures.")],
    lexicon: Annotated[Path, typer.Option(help="text_lexicon.npz: names and a CLIP's text embeddings of them.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the model.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and the log; the same one goes on.")],
    text_tower: Annotated[
        Path | None, typer.Option(help="A finished model whose text tower is kept; default: distil one, 20 minutes.")
    ] = None,
) -> None:
    """Make the small CLIP that models/embedded holds, anew; needs the extra `pretrain`."""
    from components.pretrain import PretrainParameters, PretrainSources
    from components.pretrain import pretrain as train_embedded

    sources = PretrainSources(pictures, lexicon, text_tower=text_tower)
    facts = train_embedded(PretrainParameters(), sources, run, output)
    typer.echo(json.dumps(facts, indent=2))


def _prepare(
    photos: Path | None,
    workspace: Any,
    pipeline: Any,
    reporter: Any,
    *,
    replace: bool,
    backbone: str | None,
    beside: str | None,
    shots: int | None,
    seed: int | None,
) -> None:
    """Put photos, weights and parameters into the workspace, after checking that all of them can be."""
    from components.ingest import plan_copy

    copy = None if photos is None else plan_copy(photos, workspace.raw, replace=replace)
    if backbone is not None:
        from components.backbone import adopt_checkpoint

        backbone = adopt_checkpoint(backbone, workspace.models)
    if beside is not None and beside != "none":
        from components.backbone import adopt_checkpoint

        beside = adopt_checkpoint(beside, workspace.models)
    if copy is not None:
        with pipeline.writing_photos():
            copy.run(lambda done, total: reporter.progress(done, total, "photos copied"), told=reporter.note)
        if copy.aside is not None:
            reporter.note(f"the photos that were in data/raw are now in {os.path.relpath(copy.aside)}")
    workspace.set_parameters(
        {"ingest.shots": shots, "ingest.seed": seed, "backbone.name": backbone, "backbone.beside": beside}
    )


def _result(workspace: Any) -> dict[str, Any]:
    """The result of a training, for programs; paths are relative to the current folder."""
    from components.artefacts import metrics_file, read_metrics
    from components.live import Versions

    return {
        "version": Versions(workspace.live).in_use().name,
        "bundle": os.path.relpath(workspace.bundle),
        "metrics": os.path.relpath(metrics_file(workspace.reports)),
        "metrics_version": read_metrics(workspace.reports)["version"],
    }


def _show_result(workspace: Any) -> None:
    report = workspace.reports / "report.txt"
    if report.is_file():
        typer.echo(report.read_text(encoding="utf-8"), nl=False)
    typer.echo(f"bundle: {os.path.relpath(workspace.bundle)}")
    if (workspace.reports / "report.html").is_file():
        typer.echo(f"report: {os.path.relpath(workspace.reports / 'report.html')}  (shotline report --open)")
    typer.echo("serve:  shotline serve")
