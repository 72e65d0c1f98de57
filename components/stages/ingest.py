"""The stage ingest: photos to manifest, quarantine and the sampled shots."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.artefacts import PhotoTables
from components.errors import UserInputError
from components.ingest import Ingested, IngestSettings, ingest
from components.stages.reporter import Reporter
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Read `data/raw`; write the tables of `components.ingest.tables` to `data/ingest`.

    Raises:
        UserInputError: the photos changed while they were being read, so changes may have been missed.
    """
    before = dict(_listing(workspace.raw))
    ingested = ingest(
        workspace.raw,
        settings=workspace.parameters.section("ingest", IngestSettings),
        class_names=workspace.class_names if workspace.class_names.is_file() else None,
        progress=lambda done, total: reporter.progress(done, total, "photos read"),
        examined=workspace.features_cache / "examined.sqlite",
    )
    if changed := sorted(_changed(before, workspace.raw)):
        raise UserInputError(
            "photos changed while they were being read",
            on=str(workspace.raw / changed[0]),
            remedy="run again once they have settled",
        )
    for note in ingested.notes:
        reporter.note(note.message)
    PhotoTables(workspace.ingested).write(
        manifest=ingested.manifest,
        quarantine=ingested.quarantine,
        sample=ingested.sample,
        classes=ingested.classes,
    )
    reporter.note(_told(ingested))
    if wordless := [row["class"] for row in ingested.classes.to_pylist() if not _is_words(row["name"])]:
        reporter.note(
            f"{len(wordless)} class names, such as {wordless[0]}, are probably no words to a text encoder; "
            "data/classes.csv can give words"
        )
    if ingested.quarantine.num_rows:
        reasons = Counter(ingested.quarantine["reason"].to_pylist())
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        reporter.note(f"{ingested.quarantine.num_rows} files quarantined: {told}")
    return {"photos": ingested.manifest.num_rows, "quarantined": ingested.quarantine.num_rows}


def _told(ingested: Ingested) -> str:
    roles = Counter(ingested.sample["role"].to_pylist())
    used = ", ".join(f"{roles[role]} {role}" for role in ("support", "validation", "query") if roles[role])
    left = ingested.manifest.num_rows - sum(roles.values())
    rest = f", {left} not used (ingest.shots, 0 takes all)" if left else ""
    return f"{ingested.manifest.num_rows} photos of {ingested.classes.num_rows} classes: {used}{rest}"


def _is_words(name: str) -> bool:
    return name.isascii() and not any(letter.isdigit() for letter in name)


def _changed(before: dict[str, tuple[int, int]], root: Path) -> Iterator[str]:
    """Files that have come, gone or changed since; empties `before`."""
    for path, status in _listing(root):
        if before.pop(path, None) != status:
            yield path
    yield from before


def _listing(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each file with its size and modification time, which must stay the same while it is read."""
    for folder, _, files in os.walk(root):
        for file in files:
            path = Path(folder, file)
            try:
                status = path.lstat()
            except OSError:  # removed since its folder was listed (the second listing shows it), or not readable
                continue
            yield path.relative_to(root).as_posix(), (status.st_size, status.st_mtime_ns)
