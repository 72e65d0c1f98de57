"""`classify` of many photos: into a table, a folder per class, a page of thumbnails; it resumes after a stop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import UserInputError
from components.wording import counted
from flows.console import console

if TYPE_CHECKING:
    from components.serving.answers import PhotoClassifier
    from components.serving.table.file import TableFile
    from components.serving.table.named import NamedPhoto
    from components.serving.table.rows import Row

__all__ = ["AnswerOutputs", "classify_many", "names_given", "photos_given"]

_STANDARD_INPUT = "-"
_TOLD_EVERY_S = 30.0


@dataclass(frozen=True)
class AnswerOutputs:
    """The outputs of answers to many photos.

    Attributes:
        table: the CSV or Parquet file; None: no table.
        kind: `csv` or `parquet`.
        signature: the CSV begins with the mark by which Excel recognises UTF-8.
        anew: existing answers are made again.
        sort_into: the folder that gets a folder per class.
        link: make hard links instead of copies.
        contact_sheet: the page of thumbnails.
        only_unsure: leave out answers that no person needs to look at.
    """

    table: Path | None = None
    kind: str = "csv"
    signature: bool = False
    anew: bool = False
    sort_into: Path | None = None
    link: bool = False
    contact_sheet: Path | None = None
    only_unsure: bool = False

    @property
    def files(self) -> list[Path]:
        """Files and folders that are written, and so are no photos."""
        table = [] if self.table is None else [self.table, self.table.with_name(f"{self.table.name}.part")]
        return table + [path for path in (self.sort_into, self.contact_sheet) if path is not None]

    def require_places(self) -> None:
        """See that the files can be written; raises UserInputError."""
        for path in (self.table, self.contact_sheet):
            if path is not None:
                from components.serving.table.file import require_place  # pyarrow: not for a photo that is not there

                require_place(path)


def names_given(arguments: Sequence[str]) -> list[str]:
    """The names, with those on standard input instead of `-`."""
    if _STANDARD_INPUT not in arguments:
        return list(arguments)
    from components.serving.table.named import paths_in

    names: list[str] = []
    for name in arguments:
        names += paths_in(sys.stdin.read()) if name == _STANDARD_INPUT else [name]
    return names


def photos_given(names: Sequence[str], outputs: AnswerOutputs, limits: Any) -> list[NamedPhoto]:
    """The photos that the names mean.

    Raises:
        UserInputError: there is none.
    """
    from components.serving.table.named import named_photos

    photos = named_photos(names, limits, leave_out=outputs.files)
    if not photos:
        raise UserInputError(
            "there is no photo",
            on=", ".join(names[:3]),
            remedy="name photos, or a folder, an archive or a list that has some",
        )
    return photos


def classify_many(names: Sequence[str], classifier: PhotoClassifier, outputs: AnswerOutputs) -> int:
    """Write the outputs and a summary on standard error; returns how many photos have no answer."""
    from components.serving.table.contact_sheet import write_contact_sheet
    from components.serving.table.file import TableFile
    from components.serving.table.rows import is_unsure
    from components.serving.table.sorting import Sorter

    limits = classifier.bundle.limits
    sorter = None
    if outputs.sort_into is not None:
        class_names = [row["class"] for row in classifier.classes()]
        sources = [Path(name) for name in names]
        sorter = Sorter(outputs.sort_into, class_names, link=outputs.link, sources=sources)
    photos = photos_given(names, outputs, limits)
    file = None
    if outputs.table is not None:
        file = TableFile(
            outputs.table, classifier.version, kind=outputs.kind, signature=outputs.signature, anew=outputs.anew
        )
    rows = _Rows(photos, classifier, file)
    rows.make()
    by_name = {photo.name: photo for photo in photos}
    chosen = [row for row in rows.of(by_name) if not outputs.only_unsure or is_unsure(row)]
    if sorter is not None:
        put = sum(sorter.put(by_name[row["path"]], row) is not None for row in chosen)
        console.print(f"{outputs.sort_into}: {counted(put, 'photo')} in folders", markup=False, soft_wrap=True)
    if outputs.contact_sheet is not None:
        title = f"What {classifier.version} says of {counted(len(chosen), 'photo')}"
        with _bar("thumbnails", len(chosen)) as progress:
            write_contact_sheet(outputs.contact_sheet, title, chosen, by_name, limits, progress)
        console.print(f"{outputs.contact_sheet}: {counted(len(chosen), 'photo')}", markup=False, soft_wrap=True)
    if file is not None:
        written = file.finish(is_unsure if outputs.only_unsure else None)
        console.print(f"{outputs.table}: {counted(written, 'row')}", markup=False, soft_wrap=True)
    rows.tell()
    return rows.broken


class _Rows:
    """The rows of photos: rows that a file has already, and new ones."""

    def __init__(self, photos: Sequence[NamedPhoto], classifier: PhotoClassifier, file: TableFile | None) -> None:
        self._photos, self._classifier, self._file = photos, classifier, file
        self._made: list[Row] = []
        self._seconds, self._n_made = 0.0, 0
        self.broken = self._unknown = self._answered = self._flawed = 0

    def make(self) -> None:
        """Answer the photos that have no row yet."""
        from components.serving.table.making import answers_to
        from components.serving.table.rows import row_of

        done = set() if self._file is None else self._file.done
        there = sum(photo.name in done for photo in self._photos)
        if there:
            console.print(f"{counted(there, 'photo')} of {len(self._photos):,} have their rows already")
        began = time.monotonic()
        try:
            with _bar("photos", len(self._photos) - there) as progress:
                for answered in answers_to(self._photos, self._classifier, done):
                    rows = [row_of(photo.name, answer) for photo, answer in answered]
                    if self._file is None:
                        self._made += rows
                    else:
                        self._file.add(rows)
                    self._n_made += len(rows)
                    self._seconds = time.monotonic() - began
                    progress(self._n_made, len(self._photos) - there)
        except BaseException:
            if self._file is not None:
                self._file.close()
                note = f"stopped; the same command goes on from {self._file.part}"
                console.print(note, markup=False, soft_wrap=True)
            raise

    def of(self, names: Any) -> Iterator[Row]:
        """The rows of the photos with these names; their outcomes are counted."""
        for row in self._made if self._file is None else self._file.rows():
            if row["path"] in names:
                self.broken += bool(row["error"])
                self._unknown += bool(row["abstained"])
                self._answered += not row["error"] and not row["abstained"]
                self._flawed += bool(row["flaw"])
                yield row

    def tell(self) -> None:
        """Print the number of photos, the rate, and the outcomes."""
        flawed = f"; {counted(self._flawed, 'photo')} with something wrong in the file (flaw)" if self._flawed else ""
        rate = f" in {self._seconds:.1f} s ({self._n_made / self._seconds:,.1f} a second)" if self._n_made else ""
        console.print(
            f"{counted(self._n_made, 'photo')} answered now{rate}; of all {len(self._photos):,}: "
            f"{self._answered:,} with a class, {self._unknown:,} unknown, {self.broken:,} without an answer{flawed}",
            markup=False,
            soft_wrap=True,
        )


class _bar:  # noqa: N801 (used as a function that opens a block)
    """A bar with rate and time left on a terminal; elsewhere occasional lines."""

    def __init__(self, what: str, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._what, self._told, self._began = what, time.monotonic(), time.monotonic()
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(what, total=total, rate="")

    def __enter__(self) -> Callable[[int, int], None]:
        self._progress.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _show(self, done: int, total: int) -> None:
        now = time.monotonic()
        rate = done / max(now - self._began, 1e-9)
        self._progress.update(self._task, completed=done, total=total, rate=f"{rate:,.1f} a second")
        if not console.is_terminal and now - self._told > _TOLD_EVERY_S:
            self._told = now
            left = (total - done) / rate / 60
            console.print(f"  {self._what}: {done:,} of {total:,}, {rate:,.1f} a second, {left:.1f} minutes left")
