"""What the stages ingest and validate hand on: tables of photos, of files left out, of the sample, of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.artefacts.tables import read_table, write_table
from components.ingest.tables import CLASSES, MANIFEST, QUARANTINE, SAMPLE

__all__ = ["PhotoTables"]


@dataclass(frozen=True)
class PhotoTables:
    """Four tables in the folder of a stage; `components.ingest.tables` says what their columns mean.

    Every reader raises UserInputError where the stage has not run.

    Attributes:
        folder: `Workspace.ingested` or `Workspace.validated`.
    """

    folder: Path

    def write(self, *, manifest: pa.Table, quarantine: pa.Table, sample: pa.Table, classes: pa.Table) -> None:
        """Write all four; the same tables give the same bytes."""
        write_table(self.manifest_file, manifest, MANIFEST)
        write_table(self.folder / "quarantine.parquet", quarantine, QUARANTINE)
        write_table(self.folder / "sample.parquet", sample, SAMPLE)
        write_table(self._classes_file, classes, CLASSES)

    @property
    def manifest_file(self) -> Path:
        """Where the manifest lies, for callers that check whether it has changed."""
        return self.folder / "manifest.parquet"

    def manifest(self, columns: Sequence[str] | None = None) -> pa.Table:
        """A row an accepted photo, or the named columns of it."""
        return read_table(self.manifest_file, columns)

    def quarantine(self) -> pa.Table:
        """The quarantine: one row per file that is not used."""
        return read_table(self.folder / "quarantine.parquet")

    def sample(self) -> pa.Table:
        """A row a drawn photo, with its role."""
        return read_table(self.folder / "sample.parquet")

    def classes(self) -> pa.Table:
        """A row per class, in the order of labels."""
        return read_table(self._classes_file)

    def class_names(self) -> list[str]:
        """As in the data, in the order of labels."""
        names: list[str] = read_table(self._classes_file, ["class"])["class"].to_pylist()
        return names

    @property
    def _classes_file(self) -> Path:
        return self.folder / "classes.parquet"
