"""Live versions: a bundle and its bank in a folder that never changes, and one pointer that names the one in use."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components.bank.facts import BankFacts
from components.classifier.facts import BundleFacts, saved_version
from components.errors import UserInputError
from components.files import write_json

if TYPE_CHECKING:
    from components.bank import Bank
    from components.classifier import Bundle

__all__ = ["Pointer", "Version", "Versions", "version_name"]

_POINTER = "current.json"
_FACTS = "version.json"


@dataclass(frozen=True)
class Version:
    """One live version.

    Attributes:
        name: 12 hexadecimal digits over bundle and bank; the bundle's own where nothing was added.
        bundle: version of its bundle.
        entry: number of the last ledger entry that it contains.
        made: when, ISO 8601.
        classes: the added ones.
    """

    name: str
    bundle: str
    entry: int
    made: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Pointer:
    """The content of the pointer.

    Attributes:
        version: name of the version in use.
        entry: number of the last ledger entry that it includes.
        before: the version in use before it; empty for the first.
        stages: version of the bundle in `models/bundle` when a bundle of the stages was last made live.
        moved: when it was written, ISO 8601 in UTC with microseconds; later moves have later times even if the clock is
            set back. Empty if it was written before times were kept.
    """

    version: str
    entry: int
    before: str = ""
    stages: str = ""
    moved: str = ""


def version_name(bank: Bank) -> str:
    """The name of a bundle with that bank: same content, same name; the bundle's own if nothing was added."""
    return bank.version


class Versions:
    """The folder `models/live`.

    Args:
        folder: made when the first version is published.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: tuple[str, Bundle, Bank] | None = None

    def current(self) -> Version | None:
        """The version in use, None if nothing is live yet.

        Raises:
            UserInputError: the pointer names a version that is not there.
        """
        pointer = self.pointer()
        return None if pointer is None else self.find(pointer.version)

    def in_use(self) -> Version:
        """The name of the version in use; raises as `current` does.

        Raises:
            UserInputError: nothing is live yet.
        """
        version = self.current()
        if version is None:
            raise UserInputError(
                "nothing is live yet", on=str(self.folder), remedy="train first: shotline train PHOTOS"
            )
        return version

    def current_name(self) -> str | None:
        """The name that the pointer has, without reading the version itself."""
        pointer = self.pointer()
        return None if pointer is None else pointer.version

    def entry(self) -> int:
        """Number of the last ledger entry that the pointer includes; 0 if nothing is live."""
        pointer = self.pointer()
        return 0 if pointer is None else pointer.entry

    def not_live(self, bundle_folder: Path) -> str | None:
        """Version of a bundle that `dvc repro` wrote to that folder and that was never made live.

        None if there is none, or if nothing is live, since the stages' bundle then answers. A bundle that a rollback
        replaced on purpose does not count either.
        """
        pointer = self.pointer()
        written = None if pointer is None else saved_version(bundle_folder)
        return None if pointer is None or written in (pointer.stages, None) else written

    def find(self, name: str) -> Version:
        """The version of that name, or the only one whose name begins with it.

        Raises:
            UserInputError: there is none, or several.
        """
        found = [version for version in self.all() if version.name.startswith(name)]
        if len(found) != 1 or not name:
            known = ", ".join(version.name for version in self.all()[-5:])
            raise UserInputError(
                f'{"several live versions begin" if found else "no live version is called or begins"} with "{name}"',
                on=str(self.folder),
                remedy=f"the latest are {known}" if known else "train first: shotline train PHOTOS",
            )
        return found[0]

    def all(self) -> list[Version]:
        """Every complete version, oldest first."""
        found = []
        for path in self.folder.glob(f"*/{_FACTS}"):
            if not path.parent.name.startswith("."):
                facts = json.loads(path.read_text(encoding="utf-8"))
                found.append(Version(**{**facts, "classes": tuple(facts["classes"])}))
        return sorted(found, key=lambda version: (version.made, version.entry))

    def path(self, version: Version) -> Path:
        """Its folder, with `bundle/` and `bank/`."""
        return self.folder / version.name

    def load(self, version: Version) -> tuple[Bundle, Bank]:
        """The version's bundle and bank; the last one read stays in memory, since versions never change."""
        from components.bank import Bank
        from components.classifier import Bundle

        if self._loaded is None or self._loaded[0] != version.name:
            kept = self._loaded[1] if self._loaded is not None and self._loaded[1].version == version.bundle else None
            bundle = kept or Bundle.load(self.path(version) / "bundle")
            self._loaded = version.name, bundle, Bank.load(self.path(version) / "bank", bundle)
        return self._loaded[1:]

    def facts(self, version: Version) -> tuple[BundleFacts, BankFacts]:
        """The version's trained and added classes, without loading the classifier."""
        folder = self.path(version)
        return BundleFacts.read(folder / "bundle"), BankFacts.read(folder / "bank")

    def publish(
        self, bundle_folder: Path, bank: Bank, *, entry: int, made: str, beside: Iterable[Path] = ()
    ) -> Version:
        """Write a version, completely or not at all; an existing one is not changed.

        Args:
            bundle_folder: the bundle that the bank belongs to.
            bank: see `Bank`.
            entry: number of the last ledger entry that it includes.
            made: when.
            beside: further files to keep with it (`dvc.lock`, `params.yaml`).
        """
        name = version_name(bank)
        version = Version(name, bank.bundle, entry, made, bank.names)
        if (self.path(version) / _FACTS).is_file():
            return self.find(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=self.folder) as scratch:
            target = Path(scratch) / name
            # A published bundle never changes, so the next version may share its files; the stages' bundle may change.
            own = bundle_folder.is_relative_to(self.folder)
            shutil.copytree(bundle_folder, target / "bundle", copy_function=os.link if own else shutil.copyfile)
            bank.save(target / "bank")
            for file in beside:
                if file.is_file():
                    shutil.copyfile(file, target / file.name)
            write_json(target / _FACTS, asdict(version))
            try:
                target.rename(self.path(version))
            except OSError:  # another process published the same version
                if not (self.path(version) / _FACTS).is_file():
                    raise
        return self.find(name)

    def point_to(self, version: Version, *, entry: int, stages: str | None = None) -> None:
        """Make that version the one in use, atomically.

        Args:
            version: see `all`.
            entry: number of the last ledger entry that this version includes.
            stages: see `Pointer`; None if it stays as it is.
        """
        old = self.pointer() or Pointer("", 0)
        before = old.before if old.version == version.name else old.version
        stages = old.stages if stages is None else stages
        pointer = Pointer(version.name, entry, before, stages, old.moved)
        if not old.moved or (old.version, old.entry) != (version.name, entry):
            moved = datetime.now(UTC)
            if old.moved:
                moved = max(moved, datetime.fromisoformat(old.moved) + timedelta(microseconds=1))
            pointer = replace(pointer, moved=moved.isoformat(timespec="microseconds"))
        write_json(self.folder / _POINTER, asdict(pointer))

    def pointer(self) -> Pointer | None:
        """The pointer, None if nothing is live yet.

        Raises:
            UserInputError: it cannot be read.
        """
        path = self.folder / _POINTER
        try:
            return Pointer(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise UserInputError(
                "the pointer cannot be read", on=str(path), remedy="remove it and run `shotline train`"
            ) from error
