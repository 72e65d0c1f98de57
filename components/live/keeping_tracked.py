"""DVC is told of an arrival once it is live, by `shotline track` in the background: nobody waits, `dvc push` has the photos.

What it could not do is done by the next change, or by the next training, which tells DVC of everything in any case;
`shotline status` says what is behind.
"""

from __future__ import annotations

import contextlib
import hashlib

from components.background import shotline_program, start_in_background
from components.errors import UserInputError
from components.live.settings import TrackingSettings
from components.workspace import Workspace

__all__ = ["dvc_is_behind", "keep_tracked"]


def keep_tracked(workspace: Workspace) -> None:
    """Start `shotline track` where the ledger is another one than DVC was told of."""
    if not workspace.parameters.section("tracking", TrackingSettings).arrivals or not dvc_is_behind(workspace):
        return
    # A Bento's environment has no such program; what is live is live, and this can wait.
    with contextlib.suppress(UserInputError, OSError):
        start_in_background([shotline_program(), "track", "--workspace", str(workspace.root)], folder=workspace.root)


def dvc_is_behind(workspace: Workspace) -> bool:
    """Whether the ledger differs from what `ledger.jsonl.dvc` says of it; read without DVC, which takes a second."""
    told = workspace.ledger.with_name(f"{workspace.ledger.name}.dvc")
    if not (workspace.root / ".dvc").is_dir() or not workspace.ledger.is_file():
        return False
    digest = hashlib.md5(workspace.ledger.read_bytes(), usedforsecurity=False).hexdigest()
    return not told.is_file() or f"md5: {digest}\n" not in told.read_text(encoding="utf-8")
