"""The identity of a workspace: a random name, made once, for events, deployments and the online store.

It must survive restarts and a move of the folder, and it must not be shared: two workspaces of one identity would both
take an event that is meant for one. So it lies beside the data in a file that neither git nor DVC tracks (a clone gets
its own), and the file records its inode and its path. If neither matches, the folder is a copy and gets a new identity.
A copy at the same path on another machine (the image of a disk, a container's layer) is not recognised; remove the file
before such an image is made.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from pathlib import Path

from components.files import json_text

__all__ = ["workspace_identity"]


def workspace_identity(path: Path) -> str:
    """The identity in the file `path`, 32 hexadecimal digits; made anew if there is none or the file is a copy."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    found = _own(path)
    if found is not None:
        return found
    copied = path.exists()  # or damaged
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            facts = {"identity": uuid.uuid4().hex, "file": os.fstat(file.fileno()).st_ino, "path": str(path)}
            file.write(json_text(facts))
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
        if copied:
            beside.replace(path)
        else:
            try:
                path.hardlink_to(beside)  # fails, unlike a rename, if another process was first
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return str(json.loads(path.read_text(encoding="utf-8"))["identity"])


def _own(path: Path) -> str | None:
    """The identity in the file if it is this workspace's own; None if the file is missing, a copy's, or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        own = facts["file"] == path.stat().st_ino or facts["path"] == str(path)
        return str(facts["identity"]) if own else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
