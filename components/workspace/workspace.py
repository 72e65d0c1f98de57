"""The paths of a workspace; no other module knows them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from components.errors import UserInputError
from components.files import write_text
from components.workspace.identity import workspace_identity
from components.workspace.parameters import Parameters
from components.workspace.turn import turn

__all__ = ["Workspace"]


@dataclass(frozen=True)
class Workspace:
    """A folder with `dvc.yaml`, `params.yaml`, `data/`, `models/` and `reports/`."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Workspace:
        """The workspace that `start` (default: the current folder) lies in.

        Raises:
            UserInputError: no folder from there upwards is one.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
                return cls(folder)
        raise UserInputError(
            "no workspace here",
            on=str(start),
            remedy="go to one, or make one: shotline init DIR",
        )

    @cached_property
    def parameters(self) -> Parameters:
        """The parameters in `params.yaml`, read once."""
        return Parameters.read(self.root / "params.yaml")

    @cached_property
    def identity(self) -> str:
        """The workspace's identity, 32 hexadecimal digits; see `workspace_identity`."""
        return workspace_identity(self.root / "data/.workspace.json")

    def set_parameters(self, values: Mapping[str, object]) -> None:
        """Write values into `params.yaml`, its comments kept; None leaves a parameter as it is.

        Args:
            values: `section.name` to value.
        """
        wanted = {name: value for name, value in values.items() if value is not None}
        if not wanted:
            return
        from ruamel.yaml import YAML

        yaml = YAML()  # round trip
        yaml.preserve_quotes = True
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.representer.add_representer(
            type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
        )
        path = self.root / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        for name, value in wanted.items():
            section, _, key = name.partition(".")
            content.setdefault(section, {})[key] = value
        text = io.StringIO()
        yaml.dump(content, text)
        write_text(path, text.getvalue())
        self.__dict__.pop("parameters", None)

    def turn(self) -> AbstractContextManager[None]:
        """The turn to change photos, parameters and what stages write; see `components.workspace.turn`.

        Raises:
            UserInputError: another process has it.
        """
        return turn(self.root / "data/.consolidation.lock")

    @property
    def raw(self) -> Path:
        """The photos, in folders per class or with a list of them."""
        return self.root / "data/raw"

    @property
    def class_names(self) -> Path:
        """Folder names to words: `folder,name,description`."""
        return self.root / "data/classes.csv"

    @property
    def own_expectations(self) -> Path:
        """A person's own expectations of the photos, in Great Expectations' form."""
        return self.root / "data/expectations.json"

    @property
    def own_actions(self) -> Path:
        """What is done where photos fail a check: checkpoint actions in Great Expectations' form."""
        return self.root / "data/actions.json"

    @property
    def arrivals(self) -> Path:
        """Photos of added classes, and their ledger."""
        return self.root / "data/arrivals"

    @property
    def pool(self) -> Path:
        """Photos without a label, and the index of their origins."""
        return self.root / "data/pool"

    @property
    def ledger(self) -> Path:
        """The ledger: classes added, removed, renamed, rolled back or consolidated."""
        return self.arrivals / "ledger.jsonl"

    @property
    def ingested(self) -> Path:
        """Output of the stage ingest."""
        return self.root / "data/ingest"

    @property
    def validated(self) -> Path:
        """Output of the stage validate."""
        return self.root / "data/validate"

    @property
    def features(self) -> Path:
        """Output of the stage features."""
        return self.root / "data/features"

    @property
    def features_cache(self) -> Path:
        """The features cache; not tracked, it may be deleted at any time."""
        return self.root / "data/cache"

    @property
    def feature_store(self) -> Path:
        """Feast's repository."""
        return self.root / "data/feature_store"

    @property
    def models(self) -> Path:
        """The embedded backbone, and models that stages write."""
        return self.root / "models"

    @property
    def checkpoints(self) -> Path:
        """Backbones of a person's own."""
        return self.models / "checkpoints"

    @property
    def ldc(self) -> Path:
        """Output of the stage ldc: the trained LDC as a candidate, its log."""
        return self.models / "ldc"

    @property
    def bundle(self) -> Path:
        """Output of the stage classifier: the saved classifier."""
        return self.models / "bundle"

    @property
    def bank(self) -> Path:
        """Output of the stage liteembed: the added classes beside the bundle."""
        return self.models / "bank"

    @property
    def live(self) -> Path:
        """The versions that were or are being served, and the pointer."""
        return self.models / "live"

    @property
    def bento(self) -> Path:
        """Output of the stage package."""
        return self.models / "bento"

    @property
    def reports(self) -> Path:
        """Metrics, plots and pages for people."""
        return self.root / "reports"
