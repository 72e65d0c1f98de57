"""Makes the tables of a photo folder: every file is opened, hashed, decoded and measured once."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from components.errors import UserInputError
from components.files import sha256_bytes
from components.ingest.blur import MEASURED_SIZE_PX, blur_of
from components.ingest.decode import Limits, PhotoError, decode, read_photo
from components.ingest.duplicates import without_duplicates
from components.ingest.examined import Examined, FileState, Measured, file_state
from components.ingest.label_words import with_label_words
from components.ingest.left_out import read_left_out
from components.ingest.listings import read_source
from components.ingest.names import ClassName, name_classes
from components.ingest.near_duplicates import groups_of, thumbnail_of
from components.ingest.sampling import draw_sample
from components.ingest.settings import IngestSettings
from components.ingest.sources import Entry, Listing, Note, Rejected, place
from components.ingest.tables import CLASSES, MANIFEST, QUARANTINE

__all__ = ["Ingested", "Photo", "Progress", "check_classes", "examine", "ingest"]

Progress = Callable[[int, int], None]  # files done, files in all; called in the caller's thread
_CHUNK_FILES = 16
_KEPT_TOGETHER = 256  # photos, in one transaction
_FOLDERS_NAMED = 5


@dataclass(frozen=True)
class Ingested:
    """The result of `ingest`.

    Attributes:
        manifest: `tables.MANIFEST`, one row per accepted photo, sorted by id.
        quarantine: `tables.QUARANTINE`, one row per file not used, sorted by path.
        sample: `tables.SAMPLE`, the drawn support, validation and query photos.
        classes: `tables.CLASSES`, one row per class with an accepted photo.
        layout: `folders`, `split_folders`, `manifest` or `coop`.
        notes: what the user should know, though it stopped nothing.
    """

    manifest: pa.Table
    quarantine: pa.Table
    sample: pa.Table
    classes: pa.Table
    layout: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Photo(Measured):
    """An accepted photo: what was measured of it and its place in the data; the fields of `tables.MANIFEST`."""

    path: str
    label: str
    split: str | None


def ingest(
    root: Path,
    *,
    settings: IngestSettings,
    class_names: Path | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    listing: Listing | None = None,
    examined: Path | None = None,
) -> Ingested:
    """Read a photo folder: its photos, what is wrong with them, and which are the shots.

    The result depends on the photos' bytes, paths and classes and on the settings alone; not on the order of files,
    the time, or the number of workers. Nothing is moved or deleted.

    Args:
        root: the photo folder; see `sources` for its layouts.
        settings: the section `ingest` of params.yaml.
        class_names: a classes.csv (columns folder, name, optional description), or None.
        progress: called as files are done.
        workers: threads that decode; None: one per core. Each holds one photo at a time.
        listing: the photos if the caller knows them; None: the folder is listed.
        examined: file of what earlier runs measured, so that unchanged photos are not read; None: all are.

    Raises:
        UserInputError: the folder or its list cannot be used as a whole; bad photos never raise.
    """
    _require_folder(root)
    root = root.resolve()
    listing = listing or read_source(root, settings.listing)
    listing.rejected += read_left_out(root)
    check_classes(root, listing)
    with closing(Examined(examined, settings.limits)) as earlier:
        found = _examine_all(root, listing.entries, settings.limits, earlier, workers, progress)
    photos = [file for file in found if isinstance(file, Photo)]
    said, dropped, lost_words = with_label_words(root, photos, {entry.label for entry in listing.entries})
    photos, duplicates = without_duplicates(said)
    rejected = listing.rejected + [file for file in found if isinstance(file, Rejected)] + dropped + duplicates
    _check_photos(root, photos, rejected)
    named, notes = name_classes(
        {photo.label for photo in photos},
        from_list=listing.names,
        class_names=class_names,
        beside=root / "classes.csv",
    )
    manifest = _manifest_table(photos, named, settings.near_duplicate)
    return Ingested(
        manifest=manifest,
        quarantine=_quarantine_table(rejected),
        sample=draw_sample(
            manifest, shots=settings.shots, seed=settings.seed, validation_shots=settings.validation_shots_used
        ),
        classes=_classes_table(named),
        layout=listing.layout,
        notes=tuple(listing.notes + notes + lost_words + _lost_classes(listing, photos)),
    )


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        raise UserInputError(
            "there is no such folder" if not root.exists() else "it is a file, not a folder",
            on=str(root),
            remedy="give a folder that holds one folder of photos per class",
        )


def examine(root: Path, entry: Entry, limits: Limits) -> Photo | Rejected:
    """Open, hash, decode and measure one file, once.

    Args:
        root: the photo folder, resolved.
        entry: the file, with its class and split.
        limits: what a photo may be.
    """
    refused = place(root, entry)
    if refused is not None:
        return refused
    try:
        content = read_photo(root / entry.path, limits, name=entry.path)
        decoded = decode(content, limits, name=entry.path, at_least_px=MEASURED_SIZE_PX)
    except PhotoError as error:
        return Rejected(entry.path, entry.label, entry.split, error.reason, error.what)
    grey = decoded.image.convert("L")
    return Photo(
        id=sha256_bytes(content),
        path=entry.path,
        label=entry.label,
        split=entry.split,
        width=decoded.width,
        height=decoded.height,
        mode=decoded.mode,
        size_bytes=len(content),
        blur=blur_of(grey),
        flaw=decoded.flaw,
        thumbnail=thumbnail_of(grey),
    )


def _examine_all(
    root: Path, entries: list[Entry], limits: Limits, earlier: Examined, workers: int | None, progress: Progress | None
) -> list[Photo | Rejected]:
    """Examine every entry; the results are in the order of their paths."""
    # Threads, not processes: decoders work outside the interpreter's lock, nothing has to be sent between processes,
    # and no process has to start, which for a few hundred photos would cost more than the photos.
    entries = sorted(entries, key=lambda entry: (entry.path, entry.label, entry.split or ""))
    chunks = [entries[start : start + _CHUNK_FILES] for start in range(0, len(entries), _CHUNK_FILES)]
    done: dict[int, list[Photo | Rejected]] = {}
    new: dict[str, tuple[FileState, Measured]] = {}

    def examine_chunk(number: int, known: _Known) -> tuple[int, list[Photo | Rejected], _Known]:
        fresh: _Known = {}
        return number, [_examine_once(root, entry, limits, known, fresh) for entry in chunks[number]], fresh

    n_done = 0
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
        waiting: Iterator[int] = iter(range(len(chunks)))

        def submitted(count: int) -> set[Future[tuple[int, list[Photo | Rejected], _Known]]]:
            numbers = islice(waiting, count)
            return {pool.submit(examine_chunk, number, earlier.known(chunks[number])) for number in numbers}

        running = submitted(2 * workers)
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    number, done[number], fresh = future.result()
                    new |= fresh
                    n_done += len(done[number])
                    if progress is not None:
                        progress(n_done, len(entries))
                if len(new) >= _KEPT_TOGETHER:
                    earlier.keep(new)
                    new.clear()
                running |= submitted(len(finished))
        finally:
            earlier.keep(new)
    earlier.forget_others(entries)
    return [file for number in sorted(done) for file in done[number]]


_Known = dict[str, tuple[FileState, Measured]]


def _examine_once(root: Path, entry: Entry, limits: Limits, known: _Known, fresh: _Known) -> Photo | Rejected:
    """`examine`, unless the file is as it was when it was measured; what is measured anew comes into `fresh`."""
    refused = place(root, entry)
    if refused is not None:
        return refused
    state = file_state(root / entry.path)
    if state is not None and entry.path in known and known[entry.path][0] == state:
        measured = known[entry.path][1]
        return Photo(path=entry.path, label=entry.label, split=entry.split, **asdict(measured))
    found = examine(root, entry, limits)
    if isinstance(found, Photo) and state is not None and file_state(root / entry.path) == state:
        fresh[entry.path] = state, Measured(*(getattr(found, name) for name in Measured.__slots__))
    return found


def check_classes(root: Path, listing: Listing) -> None:
    """Refuse a listing that names fewer than two classes, and say what is there instead."""
    labels = sorted({entry.label for entry in listing.entries})
    if not labels:
        raise UserInputError(
            "the folders hold no files" + (", only links to folders" if listing.rejected else ""),
            on=str(root),
            remedy="put photos into each class's folder",
        )
    if len(labels) == 1:
        only = root / labels[0]
        inner = sorted(path for path in only.iterdir() if path.is_dir()) if only.is_dir() else []
        without = _folders_without_photos(listing, labels[0])
        remedy = f"put photos into {without[0]}" if without else "add a folder of photos for at least one more class"
        named = ", ".join(without[:_FOLDERS_NAMED]) + (" and more" if len(without) > _FOLDERS_NAMED else "")
        raise UserInputError(
            f"there is one class only, {labels[0]}" + (f"; without a photo: {named}" if without else ""),
            on=str(root),
            remedy=f"if the classes are the folders inside it, give {only}" if len(inner) > 1 else remedy,
        )


def _folders_without_photos(listing: Listing, only: str) -> list[str]:
    """Folders beside the only class that are empty, or whose files were all refused."""
    empty = {note.message.split(" holds no file")[0] for note in listing.notes if note.code == "empty_class"}
    refused = {f"{file.label}/" for file in listing.rejected if file.label and file.label != only}
    return sorted(empty | refused)


def _check_photos(root: Path, photos: list[Photo], rejected: list[Rejected]) -> None:
    learnt_from = sorted({photo.label for photo in photos if photo.split in (None, "train")})
    if len(learnt_from) >= 2:
        return
    reasons = Counter(file.reason for file in rejected)
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    found = f"only the class {learnt_from[0]} has photos" if learnt_from else "no class has a photo"
    raise UserInputError(
        f"{found} that can be learnt from{f'; refused: {why}' if why else ''}",
        on=str(root),
        remedy=f"correct {rejected[0].path} first: {rejected[0].detail}"
        if rejected
        else "add photos of at least two classes to train",
    )


def _lost_classes(listing: Listing, photos: list[Photo]) -> list[Note]:
    named = {entry.label for entry in listing.entries} | {file.label for file in listing.rejected}
    lost = named - {photo.label for photo in photos}
    return [
        Note("lost_class", f"every file of class {label} was refused, so it is no class here; see the quarantine")
        for label in sorted(lost)
    ]


def _classes_table(named: dict[str, ClassName]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"class": label, "name": name.name, "description": name.description, "named_by": name.named_by}
            for label, name in named.items()
        ],
        schema=CLASSES,
    )


def _manifest_table(photos: list[Photo], named: dict[str, ClassName], near_duplicate: float) -> pa.Table:
    photos = sorted(photos, key=lambda photo: photo.id)
    # Sorted by id, so a group's first row is its lowest id.
    groups = groups_of([photo.thumbnail for photo in photos], near_duplicate)
    # Column by column: a dictionary a row would take more memory than all that is kept of a photo.
    columns = {
        "id": (photo.id for photo in photos),
        "path": (photo.path for photo in photos),
        "class": (photo.label for photo in photos),
        "name": (named[photo.label].name for photo in photos),
        "split": (photo.split for photo in photos),
        "width": (photo.width for photo in photos),
        "height": (photo.height for photo in photos),
        "mode": (photo.mode for photo in photos),
        "bytes": (photo.size_bytes for photo in photos),
        "blur": (photo.blur for photo in photos),
        "error": (photo.flaw for photo in photos),
        "thumbnail": (photo.thumbnail for photo in photos),
        "group": (photos[first].id for first in groups),
    }
    arrays = [pa.array(columns[field.name], field.type, size=len(photos)) for field in MANIFEST]
    return pa.Table.from_arrays(arrays, schema=MANIFEST)


def _quarantine_table(rejected: list[Rejected]) -> pa.Table:
    rows = [
        {"path": file.path, "class": file.label, "split": file.split, "reason": file.reason, "detail": file.detail}
        for file in sorted(rejected, key=lambda file: (file.path, file.reason, file.label, file.split or ""))
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE)
