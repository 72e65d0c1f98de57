"""Whatever happens while classes are changed, what is live is whole, and the ledger has the last word."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from components.bank import ArrivalPhotos, Arriver, Bank, Ledger
from components.classifier import Bundle
from components.errors import RefusedByGateError, UserInputError
from components.liteembed import LiteEmbedSettings
from components.live import Changes, GateSettings, Stamp, Versions
from tests.components.bank.conftest import features_of
from tests.components.classifier.saved import drawn_bundle
from tests.components.heads.drawn import drawn_support
from tests.conftest import FakeBackbone

GATE = GateSettings(most_drop_one=0.1, most_drop_many=0.1)
_clock = itertools.count()


def stamp(who: str = "anna") -> Stamp:
    minute = next(_clock)
    return Stamp(who, f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00+00:00")


def photos_of(name: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number}" for number in numbers)


class Place:
    """A workspace's live part."""

    def __init__(self, root: Path, bundle: Bundle) -> None:
        self.bundle_folder = root / "models/bundle"
        bundle.save(self.bundle_folder)
        self.ledger = Ledger(root / "data/arrivals/ledger.jsonl")
        self.versions = Versions(root / "models/live")
        self.changes = self.warm()
        self.changes.adopt(self.bundle_folder, stamp())

    def warm(self, gate: GateSettings = GATE) -> Changes:
        backbone: Any = FakeBackbone()

        def arriver_for(bundle: Bundle) -> Arriver:
            return Arriver(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)

        photos = ArrivalPhotos(self.ledger.path.parent / "photos")
        return Changes(self.ledger, photos, self.versions, arriver_for, gate)

    @property
    def live(self) -> tuple[Bundle, Bank]:
        version = self.versions.current()
        assert version is not None
        return self.versions.load(version)

    def answers(self) -> torch.Tensor:
        bundle, bank = self.live
        return bank.logits(bundle, features_of(photos_of("rust", 90, 91) + photos_of("dent", 90)))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["zero_shot", "nearest_mean", "gda"])[0]


@pytest.fixture
def place(tmp_path: Path, bundle: Bundle) -> Place:
    return Place(tmp_path, bundle)


def test_a_new_bundle_is_live_once(place: Place, bundle: Bundle) -> None:
    version = place.versions.current()
    assert version is not None
    assert version.name == bundle.version
    assert place.changes.adopt(place.bundle_folder, stamp()) is None


def test_a_class_goes_live_and_out_again_to_the_last_bit(place: Place) -> None:
    before = place.answers()

    change = place.changes.add({"rust": photos_of("rust", 1, 2, 3)}, stamp())
    assert change.version.classes == ("rust",)
    assert place.answers().argmax(1).tolist()[:2] == [5, 5]
    assert change.verdict is not None
    assert change.verdict.recall == {"rust": 1.0}

    back = place.changes.remove("rust", stamp())
    assert torch.equal(place.answers(), before)
    assert back.version == change.before
    assert [entry.action for entry in place.ledger.entries()] == ["add", "remove"]
    assert place.ledger.entries()[1].made_on == change.version.name


def test_rollback_restores_any_version_to_the_last_bit(place: Place) -> None:
    seen = {}
    for name in ("rust", "dent"):
        change = place.changes.add({name: photos_of(name, 1, 2)}, stamp())
        seen[change.version.name] = place.answers()
    place.changes.rename("rust", "corrosion", stamp())
    last = place.changes.remove("dent", stamp()).version.name
    seen[last] = place.answers()

    for name, answers in seen.items():
        assert place.changes.roll_back(stamp(), name[:8]).version.name == name
        assert torch.equal(place.answers(), answers)
    # what is done after a rollback builds on what was restored
    first = next(iter(seen))
    place.changes.roll_back(stamp(), first)
    assert place.changes.add({"pit": photos_of("pit", 1, 2)}, stamp()).version.classes == ("rust", "pit")
    place.changes.roll_back(stamp())
    assert place.versions.current() == place.versions.find(first)


def test_a_new_process_replays_to_the_same_version(place: Place) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2), "dent": photos_of("dent", 1)}, stamp())
    place.changes.add({"rust": photos_of("rust", 3)}, stamp())
    place.changes.roll_back(stamp())
    place.changes.remove("dent", stamp())
    version = place.versions.current()
    (place.versions.folder / "current.json").unlink()

    place.warm().adopt(place.bundle_folder, stamp())

    assert place.versions.current() == version


def test_the_same_arrival_twice_adds_once(place: Place) -> None:
    first = place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    again = place.changes.add({"rust": photos_of("rust", 2, 1)}, stamp())
    assert again.version == again.before == first.version
    assert len(place.ledger.entries()) == 1


def test_more_photos_update_an_added_class_and_wait_for_a_trained_one(place: Place, bundle: Bundle) -> None:
    trained = bundle.class_names[0]
    place.changes.add({"rust": photos_of("rust", 1)}, stamp())
    change = place.changes.add({"rust": photos_of("rust", 2), trained: photos_of("more", 1)}, stamp())
    assert change.waiting == (trained,)
    assert place.live[1].classes[0].photos == photos_of("rust", 1, 2)
    alone = place.changes.add({trained: photos_of("more", 2)}, stamp())
    assert alone.version == alone.before
    assert alone.verdict is None


def test_the_gate_refuses_with_figures_and_force_is_recorded(place: Place, bundle: Bundle) -> None:
    before = place.versions.current()
    mixed = {"rust": photos_of("rust", 1, 2) + photos_of("dent", 1, 2), "dent": photos_of("dent", 3, 4)}
    strict = place.warm(GateSettings(least_recall=1.0))

    with pytest.raises(RefusedByGateError, match=r"photos of rust are (found|taken)"):
        strict.add(mixed, stamp())
    assert place.versions.current() == before
    assert place.ledger.entries() == []

    change = strict.add(mixed, stamp(), force=True)
    assert change.version.classes == ("rust", "dent")
    assert [entry.forced for entry in place.ledger.entries()] == [True, True]


@pytest.mark.parametrize(
    ("arrival", "told"),
    [
        ({"": ("rust-1",)}, "has no name"),
        ({"a/b": ("rust-1",)}, "holds '/'"),
        ({"x" * 300: ("rust-1",)}, "has 300 letters"),
        ({"rust": ()}, "without a photo"),
        ({"CLS_00": ("rust-1",)}, "there is a class called cls_00"),
        ({"rust": ("cls_01-1", "rust-1")}, "1 of its 2 photos belong to the class cls_01"),
        ({"rust": ("rust-1",), " rust ": ("rust-2",)}, "comes twice"),
    ],
)
def test_what_cannot_arrive_is_refused_and_nothing_changes(
    place: Place, arrival: dict[str, tuple[str, ...]], told: str
) -> None:
    before = place.versions.current()
    with pytest.raises(UserInputError, match=told):
        place.changes.add(arrival, stamp())
    assert place.versions.current() == before
    assert place.ledger.entries() == []


def test_only_added_classes_can_be_removed_or_renamed(place: Place, bundle: Bundle) -> None:
    with pytest.raises(UserInputError, match="trained class"):
        place.changes.remove(bundle.class_names[0], stamp())
    with pytest.raises(UserInputError, match="no added class"):
        place.changes.rename("nobody", "somebody", stamp())
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    with pytest.raises(UserInputError, match="there is a class of that name"):
        place.changes.rename("rust", bundle.class_names[0], stamp())


@pytest.mark.parametrize("killed_in", ["append", "publish", "point_to"])
def test_killed_anywhere_the_last_good_version_answers_and_a_rerun_completes(
    place: Place, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    place.changes.add({"dent": photos_of("dent", 1, 2)}, stamp())
    before = place.answers()
    owner = Ledger if killed_in == "append" else Versions

    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(owner, killed_in, die)
        with pytest.raises(KilledError):
            place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    assert torch.equal(place.answers(), before)

    rerun = place.warm().add({"rust": photos_of("rust", 1, 2)}, stamp())
    assert rerun.version.classes == ("dent", "rust")
    assert place.versions.current() == rerun.version
    assert [entry.name for entry in place.ledger.entries()] == ["dent", "rust"]


def test_a_new_bundle_takes_the_added_classes_along(place: Place, tmp_path: Path) -> None:
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    other = drawn_bundle(drawn_support(shots=4, seed=5), ["gda"])[0]
    other.save(tmp_path / "other")

    change = place.changes.adopt(tmp_path / "other", stamp())

    assert change is not None
    assert (change.version.bundle, change.version.classes) == (other.version, ("rust",))
    place.changes.roll_back(stamp(), change.before.name)
    assert place.live[0].version != other.version
