"""What a flow run leaves on a Prefect server's page of artifacts: the table of heads, the quarantine, a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from components.artefacts import PhotoTables, read_metrics
from components.live.review import ReviewItem
from components.workspace import Workspace
from flows.prefect_server import server_url

__all__ = ["show_review", "show_training", "show_verdict"]

_MOST_ROWS = 200  # of a table; the files of the workspace have all of them


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
