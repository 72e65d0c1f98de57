"""Writes what is live to Feast's online store, a projection that other programs read.

The pointer alone decides what is live. The store is written after it has moved, while nobody waits; if that fails, the
live version stays and the next change writes the store. The room does not export this module: a Bento has no Feast.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from components.files import write_json
from components.live.versions import Pointer, Versions
from components.workspace import Workspace

if TYPE_CHECKING:
    from components.bank import Bank
    from components.classifier import Bundle
    from components.store import ClassRow

__all__ = ["OnlineClasses", "class_rows_of"]

_LOCK_TIMEOUT_S = 600.0
_LAYOUT = 3  # of the views; raise it if the store's rows must be written anew


class OnlineClasses:
    """The online store of a workspace, as a projection of its pointer."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._versions = Versions(workspace.live)
        self._state = workspace.feature_store / "online.json"
        self._lock = FileLock(workspace.feature_store / ".online.lock")

    def is_behind(self) -> bool:
        """Whether the online store lacks what is live, by this workspace's own notes."""
        pointer = self._versions.pointer()
        noted = self._noted()
        return pointer is not None and (noted.get("moved"), noted.get("layout")) != (pointer.moved, _LAYOUT)

    def failure(self) -> str | None:
        """Why the last attempt failed; None if it did not."""
        return self._noted().get("failed")

    def note_failure(self, reason: str) -> None:
        """Record the failure for the next command."""
        write_json(self._state, {**self._noted(), "failed": reason})

    def bring_up_to_date(self) -> str | None:
        """Write what is live until the store has caught up; returns the version's name, None if nothing was behind.

        One process does this at a time, and a version that is older than the one in the store is never written.
        """
        written = None
        with self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
            while self.is_behind():
                pointer = self._versions.pointer()
                assert pointer is not None
                self._write(pointer)
                written = pointer.version
                write_json(self._state, {"version": pointer.version, "moved": pointer.moved, "layout": _LAYOUT})
        return written

    def _write(self, pointer: Pointer) -> None:
        from components.bank import Answering
        from components.store import ClassStore, LiveRow

        store = ClassStore(self._workspace.feature_store)
        workspace = self._workspace.identity
        there = store.live(workspace)
        # SQLite would let an older row overwrite a newer one.
        if there is not None and there.moved > pointer.moved:
            return
        version = self._versions.find(pointer.version)
        bundle, bank = self._versions.load(version)
        rows = class_rows_of(bundle, bank)
        # The classes first: a reader of the live version must find its classes.
        store.write_classes(version.name, rows, datetime.fromisoformat(version.made))
        store.write_live(
            LiveRow(
                workspace=workspace,
                version=version.name,
                bundle=version.bundle,
                moved=pointer.moved,
                classes=tuple(row.name for row in rows),
                logit_scale=bundle.logit_scale,
                threshold=Answering(bundle, bank).threshold,
                backbone=str(bundle.backbone["weights"]),
            )
        )

    def _noted(self) -> dict[str, Any]:
        try:
            content = json.loads(self._state.read_text(encoding="utf-8"))
            return content if isinstance(content, dict) else {}
        except (OSError, ValueError):
            return {}


def class_rows_of(bundle: Bundle, bank: Bank) -> list[ClassRow]:
    """All classes, trained ones first, each with the vector that stands for it in the backbone's space.

    An added class is wholly in its row: its calibrated logit for a unit image embedding x is
    `logit_scale * <x, embedding> + offset`. A trained class is scored by the bundle's head; its row holds its text
    embedding, or where the backbone has no words the mean of its photos.
    """
    import torch
    from torch.nn.functional import normalize

    from components.store import ClassRow

    known = bank.known
    rows = []
    for place, name in enumerate((*bundle.class_names, *bank.names)):
        added = place - bank.n_trained
        if added >= 0:
            kind, made_from, vector = "added", "photos and name", bank.columns.vectors[added]
            offset = float(bank.columns.offsets[added])
        elif known.text_embeddings is not None:
            kind, made_from, vector, offset = "trained", "name", known.text_embeddings[place], 0.0
        else:
            mean = normalize(known.embeddings[known.labels == place].mean(0), dim=0)
            kind, made_from, vector, offset = "trained", "photos", mean, 0.0
        rows.append(ClassRow(name, known.names[place], kind, made_from, place, offset, vector.to(torch.float32)))
    return rows
