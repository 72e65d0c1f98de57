"""A workspace's live part beside drawn bundles."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from components.bank import ArrivalPhotos, Bank, ColumnFitter, Ledger, replay
from components.classifier import Bundle
from components.liteembed import LiteEmbedSettings
from components.live import Changes, GateSettings, Stamp, Versions
from tests.conftest import FakeBackbone
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle

GATE = GateSettings(most_drop_one=0.1, most_drop_many=0.1)
_clock = itertools.count()


def stamp(who: str = "anna") -> Stamp:
    minute = next(_clock)
    return Stamp(who, f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00+00:00")


def photos_of(name: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number}" for number in numbers)


def fitter_for(bundle: Bundle) -> ColumnFitter:
    backbone: Any = FakeBackbone()
    return ColumnFitter(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)


class Place:
    """A workspace's live part."""

    def __init__(self, root: Path, bundle: Bundle | None = None) -> None:
        self.bundle_folder = root / "models/bundle"
        if bundle is not None:
            bundle.save(self.bundle_folder)
        self.ledger = Ledger(root / "data/arrivals/ledger.jsonl")
        self.versions = Versions(root / "models/live")
        self.changes = self.warm()
        if bundle is not None:
            self.changes.adopt(self.bundle_folder, stamp())

    def warm(self, gate: GateSettings = GATE) -> Changes:
        photos = ArrivalPhotos(self.ledger.path.parent / "photos")
        return Changes(self.ledger, photos, self.versions, fitter_for, gate)

    @property
    def live(self) -> tuple[Bundle, Bank]:
        version = self.versions.current()
        assert version is not None
        return self.versions.load(version)

    def answers(self) -> torch.Tensor:
        bundle, bank = self.live
        return bank.logits(bundle, features_of(photos_of("rust", 90, 91) + photos_of("dent", 90)))

    def replayed(self, n_entries: int | None = None) -> Bank:
        """What the ledger, or its first entries, come to beside the live bundle."""
        bundle, entries = self.live[0], self.ledger.entries()[:n_entries]
        return replay(Bank.empty(bundle), entries, frozenset(bundle.class_names), fitter_for(bundle))

    def trained_with(self, names: Sequence[str]) -> Path:
        """The folder of a bundle that was trained on further classes too."""
        support = drawn_support(5 + len(names), shots=4)
        drawn_bundle(support, ["gda"], names)[0].save(self.bundle_folder)
        return self.bundle_folder
