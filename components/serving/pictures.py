"""A workspace's photos for people: the photos of a class, and a thumbnail of each, by the photo's SHA-256."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import UserInputError
from components.pool import Pool
from components.workspace import Workspace

if TYPE_CHECKING:
    from components.ingest import Limits

__all__ = ["WorkspacePictures"]

_SIDE_PX = 256
_MOST_KEPT = 1_000  # some 10 kB each


class WorkspacePictures:
    """The photos of `data/raw` at the last training, of added classes, and of the pool; no model is loaded.

    Only photos on these lists are read, so that no other file can be asked for.

    Args:
        workspace: see `Workspace`.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._listed: tuple[object, dict[str, dict[str, Path]]] | None = None
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()  # many threads ask for photos at once

    def of_class(self, name: str, most: int) -> list[str]:
        """SHA-256 of a class's photos, in order, limited in number; empty if there is no such class."""
        return [*self._classes().get(name, {})][:most]

    def firsts(self, most: int) -> dict[str, list[str]]:
        """The first photos of each class, as `of_class` gives them."""
        return {name: [*photos][:most] for name, photos in self._classes().items()}

    def thumbnail(self, photo: str) -> bytes:
        """A JPEG of at most 256 pixels a side, the right way up.

        Raises:
            UserInputError: the workspace has no such photo, or it can no longer be read.
        """
        with self._lock:
            if photo in self._kept:
                self._kept.move_to_end(photo)
                return self._kept[photo]
        from components.ingest import IngestSettings

        made = _thumbnail(self._path(photo), self._workspace.parameters.section("ingest", IngestSettings).limits)
        with self._lock:
            self._kept[photo] = made
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return made

    def _path(self, photo: str) -> Path:
        for photos in self._classes().values():
            if photo in photos:
                return photos[photo]
        if re.fullmatch("[0-9a-f]{64}", photo) and (pooled := Pool(self._workspace.pool).path(photo)).is_file():
            return pooled
        raise UserInputError("the workspace has no such photo", on=photo[:64], remedy="ask for one that it names")

    def _classes(self) -> dict[str, dict[str, Path]]:
        """Class to its photos: SHA-256 to path."""
        place = self._workspace
        sources = (place.validated / "manifest.parquet", place.ledger, place.live / "current.json", place.raw)
        state = [(path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in sources]
        with self._lock:
            if self._listed is None or self._listed[0] != state or not sources[0].is_file():
                self._listed = state, _listed(Workspace(place.root))
            return self._listed[1]


def _listed(place: Workspace) -> dict[str, dict[str, Path]]:
    from components.bank import ArrivalPhotos, Ledger, states
    from components.live.first_photos import FirstPhotos

    manifest = place.validated / "manifest.parquet"
    found: dict[str, dict[str, Path]] = {}
    if not manifest.is_file():
        from components.files import sha256_file

        first = FirstPhotos(place)
        return {row["class"]: {sha256_file(path): path for path in first.files(row["class"])} for row in first.rows()}
    import pyarrow.parquet as pq

    for row in pq.read_table(manifest, columns=["id", "path", "class"]).to_pylist():
        found.setdefault(row["class"], {})[row["id"]] = place.raw / row["path"]
    kept = ArrivalPhotos(place.arrivals / "photos")
    state = states(Ledger(place.ledger).entries(), frozenset(found))[-1]
    added = {name: each.photos for name, each in state.classes.items()} | state.waiting
    for name, photos in added.items():
        found.setdefault(name, {}).update({photo: kept.path(photo) for photo in photos})
    return found


def _thumbnail(path: Path, limits: Limits) -> bytes:
    from components.ingest import PhotoError, read_photo
    from components.ingest.decode import decode

    try:
        content = read_photo(path, limits, name=path.name)
        image = decode(content, limits, name=path.name, at_least_px=_SIDE_PX, look_for_damage=False).image
    except PhotoError as error:
        raise UserInputError(f"the photo cannot be read: {error.what}", on=path.name, remedy="put it back") from None
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    written = BytesIO()
    image.save(written, "JPEG", quality=82)
    return written.getvalue()
