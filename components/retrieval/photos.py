"""A workspace's photos for search: names, paths and classes, with their embeddings in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from components.artefacts import BackboneFacts, FeatureKeys, PhotoTables, embeddings_file, read_clean_embeddings
from components.errors import UserInputError
from components.retrieval.nearest import nearest
from components.workspace import Workspace

__all__ = ["Photos", "SimilarPhoto"]

_TRAIN = "run `shotline train`"


@dataclass(frozen=True)
class SimilarPhoto:
    """A photo that resembles a query.

    Attributes:
        path: relative to the workspace, with slashes.
        class_name: as in the data, or the name of an added class.
        similarity: cosine to the query, -1 to 1, higher is more alike.
        photo: SHA-256 of its bytes.
    """

    path: str
    class_name: str
    similarity: float
    photo: str = ""

    def to_json(self) -> dict[str, Any]:
        """The form of `search --json` and `POST /search`."""
        return {"path": self.path, "class": self.class_name, "similarity": self.similarity}


@dataclass(frozen=True)
class Photos:
    """The photos that the last training drew (support, validation and query), and those of added classes.

    Attributes:
        table: a row per photo: `id` (SHA-256 of its bytes), `path`, `class`.
        embeddings: (n, d) float32, unit length, of the clean view of each.
        backbone: facts of the backbone that made them.
        not_drawn: number of further photos in `data/raw`, which the training did not draw and so did not encode.
    """

    table: pa.Table
    embeddings: NDArray[np.float32]
    backbone: BackboneFacts
    not_drawn: int

    @classmethod
    def read(cls, workspace: Workspace) -> Photos:
        """Read them from the stages' outputs; a photo of an added class that is not in the cache is encoded.

        Raises:
            UserInputError: nothing is trained yet, or the outputs of the stages do not belong together.
        """
        path = embeddings_file(workspace.features)
        if not (path.is_file() and BackboneFacts.file(workspace.features).is_file()):
            raise UserInputError(
                "there are no photos to search yet", on=str(path), remedy="train first: shotline train PHOTOS"
            )
        backbone = BackboneFacts.read(workspace.features)
        ids, embeddings = read_clean_embeddings(path)
        if len(pool := FeatureKeys.image_ids(workspace.features, "pool")):  # photos of the pool have no class
            labelled = pc.invert(pc.is_in(ids, value_set=pool))
            ids, embeddings = ids.filter(labelled), embeddings[labelled.to_numpy(zero_copy_only=False)]
        table, not_drawn = _places(workspace, ids)
        if not _is_empty(workspace.ledger):
            from components.retrieval.ledger_photos import read_arrivals  # loads torch, which the rest does not need

            added, added_embeddings = read_arrivals(workspace, table, backbone)
            table = pa.concat_tables([table, added])
            embeddings = np.concatenate([embeddings, added_embeddings]) if len(added) else embeddings
        return cls(table, embeddings, backbone, not_drawn)

    def like(self, query: ArrayLike, top: int) -> list[SimilarPhoto]:
        """The `top` photos most similar to a query's embedding (d,), unit length; see `nearest`."""
        rows, similarities = nearest(self.embeddings, np.asarray(query, np.float32), top)
        places = self.table.take(rows).to_pylist()
        return [
            SimilarPhoto(
                place["path"], place["class"], min(1.0, max(-1.0, float(similarity))), place["id"]
            )  # lengths of stored embeddings are rounded
            for place, similarity in zip(places, similarities, strict=True)
        ]

    def embedding_of(self, image_id: str) -> NDArray[np.float32] | None:
        """Embedding (d,) of the photo with that SHA-256; None if it is not among them."""
        row = pc.index(self.table["id"], image_id).as_py()
        return None if row < 0 else self.embeddings[row]


def _places(workspace: Workspace, ids: pa.Array) -> tuple[pa.Table, int]:
    """`id`, `path`, `class` of photos in `data/raw`, in the order of `ids`; and the number of other photos there."""
    path = PhotoTables(workspace.validated).manifest_file
    if not path.is_file():
        raise UserInputError("the list of photos is missing", on=str(path), remedy=_TRAIN)
    manifest = PhotoTables(workspace.validated).manifest(["id", "path", "class"])
    rows = pc.index_in(ids, value_set=manifest["id"])
    if rows.null_count:
        raise UserInputError(
            f"{rows.null_count} of {len(ids)} embeddings are of photos that the list of photos does not have",
            on=str(path),
            remedy=f"{_TRAIN}, which brings both up to date",
        )
    raw = f"{workspace.raw.relative_to(workspace.root).as_posix()}/"
    table = manifest.take(rows)
    table = table.set_column(1, "path", pc.binary_join_element_wise(raw, table["path"], ""))
    return table, len(manifest) - len(table)


def _is_empty(path: Path) -> bool:
    return not path.is_file() or path.stat().st_size == 0
