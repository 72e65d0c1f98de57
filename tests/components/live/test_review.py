"""Review over a drawn workspace: what is asked, what a word does, and that it can be taken back bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from components.errors import UserInputError
from components.ingest import Limits
from components.live.opening import LiveWorkspace
from components.live.review import Word, give_word, into_folders, label, review, take_back
from components.pool import Pool, add_photos
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.stories import tree_digest

# They share a workspace that is trained with a pool.
pytestmark = pytest.mark.soak

Run = Callable[..., CompletedProcess[str]]
HUES = {"red": 0, "green": 85, "blue": 170}


@pytest.fixture(scope="module")
def place(make_workspace: Callable[[], Path], run_command: Run, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Trained on three colours at two photos each, with a pool of these and of a fourth."""
    root, photos = make_workspace(), tmp_path_factory.mktemp("photos")
    for name, hue in HUES.items():
        for number in range(4):
            draw_photo(photos / "labelled" / name / f"{number}.jpg", 10 * hue + number, hue)
    for hue in (0, 85, 170, 40):
        for number in range(12):
            draw_photo(photos / "pool" / f"{hue}-{number}.jpg", 5000 + 10 * hue + number, hue)
    place = Workspace(root)
    place.set_parameters({"classifier.heads": ["zero_shot", "map_lr", "map_lr_pool"], "ingest.shots": 3})
    run_command("shotline", "pool", "add", photos / "pool", cwd=root)
    run_command("shotline", "train", photos / "labelled", "--plain", cwd=root, timeout_s=600)
    return place


def test_training_learns_from_the_pool_and_dvc_has_nothing_left_to_do(place: Workspace, run_command: Run) -> None:
    metrics = run_command("shotline", "pool", "stats", "--json", cwd=place.root).stdout
    assert '"trained": {"photos": 48, "left_out": 0}' in metrics
    assert "map_lr_pool" in (place.reports / "report.txt").read_text()
    assert "The pool: 48 photos without a label" in (place.reports / "report.txt").read_text().replace("\n", " ")

    assert run_command("dvc", "status", cwd=place.root).stdout.strip().endswith("up to date.")


def test_dvc_repro_makes_the_same_bundle_of_a_pool_as_the_flow(
    place: Workspace, run_command: Run, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(place.root, again, symlinks=True)
    shutil.rmtree(again / "models/bundle")
    shutil.rmtree(again / "data/features")

    run_command("dvc", "repro", "--force", "--single-item", "features", "classifier", cwd=again)

    assert tree_digest(again / "models/bundle") == tree_digest(place.bundle)
    assert tree_digest(again / "data/features") == tree_digest(place.features)


def test_what_is_asked_a_word_and_the_way_back(place: Workspace, tmp_path: Path) -> None:
    live, pool = LiveWorkspace.open(place), Pool(place.pool)
    before = answers(live, pool)

    items = review(live, place, 8)

    assert len({item.photo for item in items}) == 8
    assert {name for name, _ in items[0].likely} == set(HUES)
    assert sum(share for _, share in items[0].likely) == pytest.approx(1, abs=1e-5)
    copied = into_folders(items, tmp_path / "look")
    assert len(copied) == 8
    assert copied[0].parent.name == items[0].likely[0][0] or items[0].abstained

    by_name = {each.name: each.photo for each in pool.photos()}
    fourth = [by_name[f"pool/40-{number}.jpg"] for number in range(3)]
    outcome, word = label(live, place, fourth, "orange", force=True)
    assert [each.name for each in outcome.added] == ["orange"]
    assert live.ledger.entries()[-1].photos == tuple(fourth)
    assert not {*fourth} & {item.photo for item in review(live, place, 48)}

    take_back(live, place, word)
    assert torch.equal(answers(live, pool), before)
    assert {*fourth} <= {item.photo for item in review(live, place, 48)}
    with pytest.raises(UserInputError, match="changed since"):
        take_back(live, place, word)


def test_a_trained_class_gets_photos_that_wait(place: Workspace) -> None:
    live = LiveWorkspace.open(place)
    photos = [each.photo for each in Pool(place.pool).photos() if each.name.startswith("pool/85-")][:3]
    _, first = label(live, place, photos[:1], "green")
    _, second = label(live, place, photos[1:], "green")
    assert second.before == second.after

    take_back(live, place, second)

    assert live.changes.to_consolidate((), live.stamp()) == {"green": tuple(photos[:1])}
    take_back(live, place, first)
    assert live.changes.to_consolidate((), live.stamp()) == {}


def test_none_and_bad_are_asked_about_no_more(place: Workspace) -> None:
    live = LiveWorkspace.open(place)
    first, second, *_ = review(live, place, 4)

    words = [give_word(place, [first.photo], "none"), give_word(place, [second.photo], "bad")]

    assert not {first.photo, second.photo} & {item.photo for item in review(live, place, 48)}
    for word in words:
        take_back(live, place, word)
    assert len(review(live, place, 99)) == 48
    with pytest.raises(UserInputError, match="no such word"):
        give_word(place, [first.photo], "fine")
    with pytest.raises(UserInputError, match="no such photo"):
        give_word(place, ["0" * 64], "bad")


def test_a_pool_without_photos_asks_nothing(place: Workspace, tmp_path: Path) -> None:
    empty = Pool(tmp_path / "pool")

    assert empty.photos() == []
    assert add_photos(empty, [], limits=Limits(), most_bytes=1, time="").added == []
    assert isinstance(Word("none", ()), Word)


def answers(live: LiveWorkspace, pool: Pool) -> torch.Tensor:
    photos = [each.photo for each in pool.photos()]
    return live.answers_to(photos, lambda: pool.files(photos))[0].probabilities
