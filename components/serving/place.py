"""The place of the served classifier: the named workspace, or else the Bento that contains the code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Place"]

_USUAL_BYTES = 64_000_000


@dataclass(frozen=True)
class Place:
    """The place of the served classifier, and of photos to search.

    Attributes:
        models: the folder of the bundle, the bank and what is live.
        workspace: the workspace's root; None in a Bento, which carries no photos.
    """

    models: Path
    workspace: Path | None

    @classmethod
    def said(cls, environment: Mapping[str, str] | None = None) -> Place:
        """The workspace that `SHOTLINE_WORKSPACE` names; if it is not set, the Bento that contains this code."""
        named = (os.environ if environment is None else environment).get("SHOTLINE_WORKSPACE")
        if named:
            return cls(Path(named) / "models", Path(named))
        return cls(Path(__file__).resolve().parents[2] / "models", None)

    def live_name(self) -> str | None:
        """The version that answers, read from the disk; None if nothing was trained yet."""
        from components.classifier.facts import saved_version
        from components.live.versions import Versions

        return Versions(self.models / "live").current_name() or saved_version(self.models / "bundle")

    def most_photo_bytes(self) -> int:
        """The limit of a photo's bytes, from the bundle that answers: `ingest.max_bytes` of its training."""
        from components.classifier.facts import read_facts
        from components.errors import UserInputError
        from components.live.versions import Versions

        name = Versions(self.models / "live").current_name()
        try:
            facts = read_facts(self.models / "bundle" if name is None else self.models / "live" / name / "bundle")
        except UserInputError:  # the classifier itself reports it
            return _USUAL_BYTES
        return int(facts["limits"]["max_bytes"])
