"""The state during a writer's turn, and the photos of an arrival that are new to it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.bank import Bank, LedgerEntry, State, spelling
from components.classifier import Bundle
from components.errors import UserInputError
from components.live.versions import Version

__all__ = ["Now"]


@dataclass(frozen=True)
class Now:
    """The state during a writer's turn.

    Attributes:
        entries: the whole ledger.
        state: the state that the ledger leads to beside the live bundle.
        version: live.
        bundle: bundle of the live version.
        bank: bank of the live version.
    """

    entries: list[LedgerEntry]
    state: State
    version: Version
    bundle: Bundle
    bank: Bank

    @property
    def trained(self) -> frozenset[str]:
        """The bundle's classes."""
        return frozenset(self.bundle.class_names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all classes: the bundle's, then the added ones."""
        return (*self.bundle.class_names, *self.state.classes)

    def called(self, text: str) -> str:
        """The name of the class that `text` means, up to spaces and Unicode form; `text` if there is none."""
        name = " ".join(unicodedata.normalize("NFC", text).split())
        return name if name in self.names and text not in self.names else text

    def numbered(self, entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
        """Entries of one arrival with the numbers that the ledger will give them."""
        first = len(self.entries) + 1
        return [replace(entry, number=first + place, arrival=first) for place, entry in enumerate(entries)]

    def fresh(self, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """The new photos of each class; classes without new photos are left out.

        Raises:
            UserInputError: a class has no photo, differs in spelling from an existing class, or has photos of another
                class.
        """
        fresh: dict[str, tuple[str, ...]] = {}
        come: dict[str, str] = {}  # photo to its class
        for name, photos in wanted.items():
            if not photos:
                raise UserInputError("the class has no photo", on=name, remedy="give at least one")
            if name not in self.trained and name not in self.state.classes:
                self.require_distinct(name, beside=[each for each in wanted if each != name])
            for other, others in self._photos_of_others(name).items():
                if twice := [photo for photo in photos if photo in others]:
                    raise UserInputError(
                        f"{len(twice)} of its {len(photos)} photos belong to the class {other}",
                        on=name,
                        remedy="give other photos" + ("" if other in self.trained else ", or rename that class"),
                    )
            if twice := [photo for photo in photos if come.setdefault(photo, name) != name]:
                raise UserInputError(
                    f"{len(twice)} of its {len(photos)} photos come for {come[twice[0]]} too",
                    on=name,
                    remedy="give each photo to one class",
                )
            known = self.state.classes.get(name)
            has = {*(known.photos if known else self.state.waiting.get(name, ())), *self.bundle.split.get(name, ())}
            if left := tuple(photo for photo in dict.fromkeys(photos) if photo not in has):
                fresh[name] = left
        return fresh

    def require_distinct(self, name: str, beside: Sequence[str] = ()) -> None:
        """Raise if people would take a name for another class's, by its folder or by its words.

        Args:
            name: of the new class.
            beside: further names of the same arrival.

        Raises:
            UserInputError: with the name of the other class.
        """
        for each, words in (
            *zip(self.bundle.class_names, self.bundle.display_names, strict=True),
            *((each, each) for each in (*self.state.classes, *beside)),
        ):
            if each != name and spelling(name) in (spelling(each), spelling(words)):
                raise UserInputError(
                    f"there is a class called {each}", on=name, remedy="write it the same way, or choose another name"
                )

    def require_added(self, name: str) -> None:
        """Raise if it is no added class.

        Raises:
            UserInputError: it is a trained one, or there is none of that name.
        """
        if name in self.trained:
            raise UserInputError(
                "it is a trained class, not an added one",
                on=name,
                remedy="no photos wait for it; remove or rename its folder in data/raw, and train",
            )
        if name not in self.state.classes:
            added = ", ".join(self.state.classes) or "there are none"
            raise UserInputError("there is no added class of that name", on=name, remedy=f"added classes: {added}")

    def to_consolidate(self, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
        """Photos that are not in `data/raw`, by class: photos of added classes, and waiting photos of trained ones.

        Args:
            names: the classes; empty: all.

        Raises:
            UserInputError: one of them has none.
        """
        found = {each.name: each.photos for each in self.state.classes.values()} | self.state.waiting
        if unknown := [name for name in names if name not in found]:
            raise UserInputError(
                "it is no added class, and no photos wait for it",
                on=unknown[0],
                remedy=f"there is something to consolidate of {', '.join(found)}" if found else "nothing waits at all",
            )
        return {name: photos for name, photos in found.items() if not names or name in names}

    def _photos_of_others(self, name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {each: set(photos) for each, photos in self.bundle.split.items()}
        for each, photos in self.to_consolidate().items():
            found[each] = found.get(each, set()) | set(photos)
        found.pop(name, None)
        return found
