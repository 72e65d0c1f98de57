"""Feast's online store is a projection of the pointer: it follows, it never leads, and it never goes back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from components import store
from components.bank import Answering, Bank
from components.classifier import Bundle
from components.errors import UserInputError
from components.live.online import OnlineClasses, class_rows_of
from components.store import ClassStore
from components.workspace import Workspace
from tests.conftest import REPOSITORY
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import Place, photos_of, stamp
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture
def place(tmp_path: Path, bundle: Bundle) -> Place:
    (tmp_path / "data/feature_store").mkdir(parents=True)
    shutil.copy(REPOSITORY / "data/feature_store/feature_store.yaml", tmp_path / "data/feature_store")
    return Place(tmp_path, bundle)


class Online:
    """The projection of a place, and what a reader finds in the store."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.classes = OnlineClasses(self.workspace)
        self.store = ClassStore(self.workspace.feature_store)

    def live(self) -> Any:
        return self.store.live(self.workspace.identity)


def test_it_holds_what_is_live_and_a_reader_can_score_with_it(place: Place, tmp_path: Path) -> None:
    version = place.changes.add({"rust": photos_of("rust", 1, 2, 3)}, stamp()).version
    found = Online(tmp_path)
    assert found.classes.is_behind()

    assert found.classes.bring_up_to_date() == version.name
    assert not found.classes.is_behind()
    assert found.classes.bring_up_to_date() is None

    live, (bundle, bank) = found.live(), place.live
    assert (live.version, live.bundle, live.threshold) == (
        version.name,
        bundle.version,
        pytest.approx(Answering(bundle, bank).threshold),
    )
    assert live.classes == (*bundle.class_names, "rust")
    rows = found.store.classes(live.version, live.classes)
    assert [row.kind for row in rows] == ["trained"] * 5 + ["added"]
    assert [row.place for row in rows] == list(range(6))
    embeddings, offsets = found.store.vectors(live.version, live.classes)
    torch.testing.assert_close(embeddings, torch.stack([row.embedding for row in rows]))
    assert offsets.tolist() == [row.offset for row in rows]
    with pytest.raises(UserInputError, match="1 of 2 classes of the version"):
        found.store.vectors(live.version, ["rust", "nobody"])
    query = features_of(photos_of("rust", 90))
    logit = live.logit_scale * query.embedding @ rows[-1].embedding + rows[-1].offset
    torch.testing.assert_close(logit, bank.logits(bundle, query)[:, -1], atol=1e-3, rtol=1e-4)
    assert bundle.text_embeddings is not None
    torch.testing.assert_close(torch.stack([row.embedding for row in rows[:5]]), bundle.text_embeddings)


def test_it_follows_removal_and_rollback_and_keeps_earlier_versions(place: Place, tmp_path: Path) -> None:
    added = place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp()).version
    found = Online(tmp_path)
    found.classes.bring_up_to_date()
    before = place.changes.remove("rust", stamp()).version
    found.classes.bring_up_to_date()
    assert found.live().version == before.name
    assert [row.name for row in found.store.classes(added.name, ["rust"])] == ["rust"]
    assert found.store.classes(before.name, ["rust"]) == []

    place.changes.roll_back(stamp(), added.name)
    found.classes.bring_up_to_date()
    assert found.live().version == added.name


def test_no_threshold_is_a_value_like_any_other(tmp_path: Path, place: Place, bundle: Bundle) -> None:
    replace(bundle, threshold=None).save(place.bundle_folder)
    place.changes.adopt(place.bundle_folder, stamp())
    found = Online(tmp_path)
    found.classes.bring_up_to_date()
    assert found.live().threshold is None

    version = place.changes.add({"rust": photos_of("rust", 1)}, stamp()).version
    assert found.classes.bring_up_to_date() == version.name


def test_an_older_version_is_never_written_over_a_newer_one(place: Place, tmp_path: Path) -> None:
    older = place.versions.pointer()
    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    found = Online(tmp_path)
    found.classes.bring_up_to_date()
    newest = found.live()
    assert older is not None

    found.classes._write(older)  # as a process would that read the pointer before it moved

    assert found.live() == newest


def test_what_moves_meanwhile_is_written_too(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Online(tmp_path)
    write, moves = found.classes._write, iter(["rust"])

    def slow(pointer: Any) -> None:
        for name in moves:
            place.changes.add({name: photos_of(name, 1, 2)}, stamp())
        write(pointer)

    monkeypatch.setattr(found.classes, "_write", slow)
    found.classes.bring_up_to_date()

    assert "rust" in found.live().classes


def test_a_failure_is_noted_moves_nothing_and_is_made_up_for(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, pointer = Online(tmp_path), place.versions.pointer()

    class Broken:
        def __init__(self, *arguments: object) -> None:
            raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(store, "ClassStore", Broken)
        with pytest.raises(OSError, match="no space"):
            found.classes.bring_up_to_date()
        found.classes.note_failure("no space left")
    assert place.versions.pointer() == pointer
    assert (found.classes.is_behind(), found.classes.failure()) == (True, "no space left")

    found.classes.bring_up_to_date()
    assert (found.classes.is_behind(), found.classes.failure()) == (False, None)


def test_without_words_a_trained_class_is_the_mean_of_its_photos() -> None:
    wordless = drawn_bundle(drawn_support(shots=4, words=False), ["nearest_mean"])[0]
    rows = class_rows_of(wordless, Bank.empty(wordless))

    first = wordless.support.embeddings[wordless.support.labels == 0].mean(0)
    torch.testing.assert_close(rows[0].embedding, first / first.norm())
    assert {row.made_from for row in rows} == {"photos"}
