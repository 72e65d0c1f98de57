"""`embeddings.parquet`: written by the stage features, read by Feast as its offline source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.errors import ShotlineError
from components.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "EMBEDDING_SCHEMA",
    "embeddings_file",
    "read_clean_embeddings",
    "read_embeddings",
    "view_id",
    "write_embeddings",
]

EMBEDDING_SCHEMA = pa.schema(
    [
        ("view_id", pa.string()),
        ("image_id", pa.string()),
        ("view", pa.int32()),
        ("embedding", pa.list_(pa.float32())),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
"""A row is one view of one image; `event_timestamp` is recorded data (when the photo was there), never a file's date."""


def embeddings_file(folder: Path) -> Path:
    """Where it lies in the folder of the stage features."""
    return folder / "embeddings.parquet"


def view_id(image_id: str, view: int) -> str:
    """Feast's join key of one view of one image."""
    return f"{image_id}/{view}"


def write_embeddings(
    path: Path,
    chunks: Iterable[tuple[list[str], list[int], Tensor]],
    since: datetime,
    times: Mapping[str, datetime] | None = None,
) -> int:
    """Write the file chunk by chunk, one row group each.

    Args:
        chunks: (image ids, view numbers, embeddings (n, d) float32), in the order wanted.
        since: event time of all rows that have none of their own.
        times: event times by image id.

    Returns:
        How many rows were written.
    """
    rows, own = 0, times or {}
    with atomic_path(path) as beside, pq.ParquetWriter(beside, EMBEDDING_SCHEMA) as writer:
        for image_ids, views, embeddings in chunks:
            flat = pa.array(embeddings.reshape(-1).numpy())
            offsets = pa.array(range(0, embeddings.numel() + 1, embeddings.shape[1]), pa.int32())
            columns = [
                [view_id(image_id, view) for image_id, view in zip(image_ids, views, strict=True)],
                image_ids,
                pa.array(views, pa.int32()),
                pa.ListArray.from_arrays(offsets, flat),
                pa.array([own.get(each, since) for each in image_ids], pa.timestamp("us", tz="UTC")),
            ]
            writer.write_table(pa.table(columns, schema=EMBEDDING_SCHEMA))
            rows += len(views)
    return rows


def read_embeddings(path: Path, views: Sequence[tuple[str, int]]) -> Tensor:
    """Embeddings (len(views), d) float32 of (image id, view number), in the order given, as Feast's join gives them.

    Raises:
        ShotlineError: the file lacks a view.
    """
    import torch

    wanted = pa.array([view_id(image_id, view) for image_id, view in views], pa.string())
    with pq.ParquetFile(path) as file:
        there = file.read(["view_id"])["view_id"].combine_chunks()
        places = pc.index_in(wanted, there)
        if places.null_count:
            raise ShotlineError(
                f"{places.null_count} of {len(views)} embeddings that were asked for are not there",
                on=str(path),
                remedy="run the stage features again",
            )
        # In the file's order, one row group at a time: memory holds little more than the result.
        place = places.to_numpy()
        order = np.argsort(place, kind="stable")
        embeddings = np.empty((len(place), 0), np.float32)
        start, done = 0, 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            until = done + int(np.searchsorted(place[order[done:]], end))
            if until > done or not group:
                rows = _vectors(file.read_row_group(group, ["embedding"]))
                if not group:
                    embeddings = np.empty((len(place), rows.shape[1]), np.float32)
                embeddings[order[done:until]] = rows[place[order[done:until]] - start]
            start, done = end, until
    return torch.from_numpy(embeddings)


def _vectors(table: pa.Table) -> NDArray[np.float32]:
    """The column of embeddings, (n, d)."""
    flat: NDArray[np.float32] = table["embedding"].combine_chunks().flatten().to_numpy()
    return flat.reshape(len(table), -1)


def read_clean_embeddings(path: Path) -> tuple[pa.Array, NDArray[np.float32]]:
    """All clean views at once, without Feast: image ids (n,), and embeddings (n, d) float32, in the file's order.

    It reads one row group at a time, so that memory holds little more than the result.
    """
    with pq.ParquetFile(path) as file:
        groups = range(file.num_row_groups)
        n = sum(pc.sum(_clean(file.read_row_group(group, ["view"]))).as_py() or 0 for group in groups)
        ids: list[pa.Array] = []
        embeddings = np.empty((n, 0), np.float32)
        done = 0
        for group in groups:
            table = file.read_row_group(group, ["image_id", "view", "embedding"])
            clean = _clean(table)
            rows = _vectors(table)[clean.to_numpy()]
            if not embeddings.size:
                embeddings = np.empty((n, rows.shape[1]), np.float32)
            embeddings[done : done + len(rows)] = rows
            done += len(rows)
            ids.append(table["image_id"].filter(clean).combine_chunks())
    return pa.concat_arrays([pa.array([], pa.string()), *ids]), embeddings


def _clean(table: pa.Table) -> pa.ChunkedArray:
    return pc.equal(table["view"], 0)
