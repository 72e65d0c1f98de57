"""Commands that export the live classifier: vectors, one ONNX file, a page for a browser, the model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.errors import UserInputError
from flows.commands.shared import WorkspaceOption, live_workspace

if TYPE_CHECKING:
    from components.bank import Bank
    from components.classifier import Bundle
    from components.export.onnx_file import Agreement

__all__ = ["commands"]

commands = typer.Typer()


# Over 60 lines: each option is an argument.
@commands.command()
def export(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE | page",
            help="The file to write: .safetensors, .npz or .onnx; or the word page, and then DIR.",
        ),
    ],
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The folder of the page.")] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="fp32|half_weights|fp16",
            help="Of an .onnx file: half_weights is half the size and computes as fp32 does; fp16 computes in half too.",
        ),
    ] = "fp32",
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR | TGZ", help="For the page: the npm package onnxruntime-web; default: npm fetches it."
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write what is live for other programs: vectors, one ONNX file, or a page for a browser; see docs/export.md."""
    if (str(path) == "page") != (folder is not None):
        raise UserInputError("it is not clear what to write", on=str(path), remedy="say: shotline export page DIR")
    kind = "page" if folder is not None else path.suffix.lower()
    if kind not in (".onnx", "page"):
        _write_vectors(path, workspace)
        return
    from components.export.onnx_file import require_onnx

    require_onnx()
    place, bundle, bank = _live(workspace)
    photos = _support_photos(place, bundle, bank)
    card = _card(place, bundle, bank)
    from flows.console import ConsoleReporter

    reporter = ConsoleReporter()

    def progress(done: int, total: int) -> None:
        reporter.progress(done, total, "photos compared")

    if folder is not None:
        from components.export.page_folder import write_page

        agreement = write_page(
            folder, bundle, bank, place.models, photos, card=card, runtime=runtime, progress=progress
        )
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        _tell(folder, size, agreement)
        typer.echo("put the folder on any web host; to try it here: python -m http.server -d " + str(folder))
        return
    from components.export.onnx_file import RECIPE, write_onnx

    agreement = write_onnx(path, bundle, bank, place.models, photos, card=card, precision=precision, progress=progress)
    _tell(path, path.stat().st_size, agreement)
    _tell_of_card(path, card)
    program = path.with_name(RECIPE.name)
    if program.read_bytes() == RECIPE.read_bytes():
        typer.echo(f"try it: python {program} {path} PHOTO")
    else:
        typer.echo(f"{program} was there and is another program: it was left as it is")


@commands.command()
def card(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: models/MODEL_CARD.md, beside bundle and Bento.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write the model card of what is live: its photos, how it was made, figures with their evidence, limits, licences."""
    from components.export.card import CARD
    from components.files import write_text

    place, bundle, bank = _live(workspace)
    target = path or place.models / CARD
    write_text(target, _card(place, bundle, bank))
    typer.echo(str(target))


def _live(workspace: Path | None) -> tuple[Any, Bundle, Bank]:
    """The workspace, and the bundle and bank that are live in it."""
    from components.workspace import Workspace

    versions = live_workspace(workspace).versions
    return Workspace.find(workspace), *versions.load(versions.in_use())


def _write_vectors(path: Path, workspace: Path | None) -> None:
    from components.export.card import CARD, write_card
    from components.export.vectors import write_export

    place, bundle, bank = _live(workspace)
    facts = write_export(path, bundle, bank)
    text = _card(place, bundle, bank)
    write_card(path.with_name(CARD), text)
    how = "exact" if facts["trained_are_exact"] else f"a stand-in for {facts['head']}"
    typer.echo(
        f"{path}: {len(facts['classes'])} classes of {facts['bank']}; trained ones are {how}, "
        f"with the same first answer on {facts['agreement']:.1%} of the support photos"
        + ("" if facts["trained_are_exact"] else ", on others often on fewer")
    )
    _tell_of_card(path, text)


def _tell_of_card(path: Path, text: str) -> None:
    """Say so where the card could not be written beside an export."""
    from components.export.card import CARD

    beside = path.with_name(CARD)
    if beside.read_text(encoding="utf-8", errors="replace") != text:
        typer.echo(f"{beside} is no card of ours and was left as it is; shotline card FILE writes one elsewhere")


def _tell(path: Path, size_bytes: int, agreement: Agreement) -> None:
    typer.echo(
        f"{path}: {size_bytes / 1e6:.1f} MB; the same first answer on all {agreement.photos} photos it was made from, "
        f"probabilities at most {agreement.largest_difference:.1g} off"
    )


def _card(place: Any, bundle: Bundle, bank: Bank) -> str:
    from components.artefacts.metrics import metrics_file, read_metrics
    from components.export.card import card_of

    metrics = read_metrics(place.reports) if metrics_file(place.reports).is_file() else None
    return card_of(bundle, bank, place.models, metrics)


def _support_photos(place: Any, bundle: Bundle, bank: Bank) -> list[Path]:
    """The files behind the live classes that are in this workspace."""
    from components.artefacts.photo_tables import PhotoTables
    from components.bank import ArrivalPhotos
    from components.export.onnx_file import support_photos

    arrived = ArrivalPhotos(place.arrivals / "photos")
    listed = {photo: arrived.path(photo) for each in bank.classes for photo in each.photos}
    tables = PhotoTables(place.validated)
    if tables.manifest_file.is_file():
        rows = tables.manifest(["id", "path"]).to_pylist()
        listed |= {row["id"]: place.raw / row["path"] for row in rows}
    return support_photos(bundle, bank, listed)
