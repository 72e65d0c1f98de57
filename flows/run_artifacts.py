"""What a flow run leaves on a Prefect server's page of artifacts: the table of heads, the quarantine, a verdict in words, a
picture of the photos that arrived."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from components.artefacts import PhotoTables, read_metrics
from components.bank import ArrivalPhotos
from components.live.outcome import Taken
from components.live.review import ReviewItem
from components.workspace import Workspace
from flows.prefect_server import server_url

__all__ = ["contact_sheet", "show_arrivals", "show_review", "show_training", "show_verdict"]

_MOST_ROWS = 200  # of a table; the files of the workspace have all of them
_MOST_PHOTOS = 24
_SIDE_PX, _ROW = 112, 8


def show_training(workspace: Workspace) -> None:
    """The heads with their figures, and the photos that could not be used; nothing if no server is named."""
    if not server_url():
        return
    metrics = read_metrics(workspace.reports)
    shipped = metrics["shipped"]["head"]
    heads = [
        {
            "head": name,
            "shipped": "yes" if name == shipped else "",
            **{key: _short(value) for key, value in row.items()},
        }
        for name, row in metrics["heads"].items()
    ]
    described = f"{metrics['shipped']['why']} (measured on {metrics['evidence'].replace('_', ' ')})"
    create_table_artifact(heads, key="heads", description=described)
    quarantined = PhotoTables(workspace.validated).quarantine()
    if quarantined.num_rows:
        create_table_artifact(
            quarantined.slice(0, _MOST_ROWS).to_pylist(),
            key="quarantine",
            description=f"{quarantined.num_rows} photos that could not be used",
        )


def show_verdict(told: str) -> None:
    """What came of an arrival or of a consolidation, in words; nothing if no server is named."""
    if server_url() and told:
        create_markdown_artifact("\n".join(f"- {line}" for line in told.splitlines()), key="verdict")


def show_arrivals(workspace: Workspace, taken: Taken) -> None:
    """The photos that arrived, as one picture; nothing where no server is named."""
    kept = ArrivalPhotos(workspace.arrivals / "photos")
    photos = [kept.path(photo) for outcome in taken.outcomes for photo in outcome.names]
    if not server_url() or not photos:
        return
    shown = photos[:_MOST_PHOTOS]
    packed = base64.b64encode(contact_sheet(shown)).decode("ascii")
    described = (
        f"{len(shown)} of {len(photos)} photos that arrived" if len(photos) > len(shown) else "the photos that arrived"
    )
    create_image_artifact(f"data:image/jpeg;base64,{packed}", key="arrived", description=described)


def contact_sheet(photos: Sequence[Path]) -> bytes:
    """The photos side by side, eight a row, each cut to a square of 112 pixels: one JPEG of some 50 kB."""
    rows = -(-len(photos) // _ROW)
    sheet = Image.new("RGB", (_SIDE_PX * min(len(photos), _ROW), _SIDE_PX * rows), "white")
    for number, path in enumerate(photos):
        with Image.open(path) as image:
            image.draft("RGB", (2 * _SIDE_PX, 2 * _SIDE_PX))  # a large JPEG is decoded at an eighth
            square = ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), (_SIDE_PX, _SIDE_PX))
        sheet.paste(square, (_SIDE_PX * (number % _ROW), _SIDE_PX * (number // _ROW)))
    packed = io.BytesIO()
    sheet.save(packed, "JPEG", quality=80)
    return packed.getvalue()


def show_review(items: Sequence[ReviewItem]) -> None:
    """The photos most worth a word, the first one first; nothing if no server is named."""
    if not server_url() or not items:
        return
    rows = [
        {
            "photo": item.name,
            "taken for": "unknown" if item.abstained else item.likely[0][0],
            "probability": _short(item.likely[0][1]),
            "or": item.likely[1][0] if len(item.likely) > 1 else "",
            "photos like it": len(item.alike),
        }
        for item in items
    ]
    create_table_artifact(
        rows, key="review", description="Photos most worth a word: shotline review, or the page's tab"
    )


def _short(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
