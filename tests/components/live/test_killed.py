"""Real processes: killed at every step of a change, and several that change classes at once."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
import torch

from components.classifier import Bundle
from components.live import version_name
from tests.support import live_processes as processes
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import Place, photos_of, stamp
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["gda"])[0]


@pytest.fixture(scope="module")
def context() -> BaseContext:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.live_processes"])
    return context


@pytest.fixture
def place(tmp_path: Path, bundle: Bundle) -> Place:
    """A class is there already."""
    place = Place(tmp_path, bundle)
    place.changes.add({"dent": photos_of("dent", 1, 2)}, stamp())
    return place


def kill(context: BaseContext, root: Path, point: str, change: Callable[[Place], object]) -> None:
    process = context.Process(target=processes.killed, args=(root, point, change))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("point", processes.POINTS)
def test_killed_while_a_class_is_added_the_last_good_version_answers_and_a_rerun_completes(
    place: Place, context: BaseContext, tmp_path: Path, point: str
) -> None:
    before = place.answers()

    kill(context, tmp_path, point, processes.add_rust)

    moved = point == "the pointer has moved"
    assert (place.answers().shape == before.shape and torch.equal(place.answers(), before)) is not moved
    processes.add_rust(place)
    assert place.live[1].names == ("dent", "rust")
    assert [entry.name for entry in place.ledger.entries()] == ["dent", "rust"]
    assert place.replayed().digest == place.live[1].digest
    assert [path.name for path in place.ledger.path.parent.rglob(".*")] == [".gitignore"]


@pytest.mark.parametrize("point", [point for point in processes.POINTS if point != "the photos are kept"])
def test_killed_while_a_class_is_consolidated_it_is_wholly_the_one_or_the_other(
    place: Place, context: BaseContext, tmp_path: Path, point: str
) -> None:
    processes.add_rust(place)
    old = place.versions.current()
    place.trained_with(["rust"])

    kill(context, tmp_path, point, processes.consolidate_rust)

    assert (place.versions.current() == old) is (point != "the pointer has moved")
    counts = [entry.action for entry in place.ledger.entries()][2:] == ["consolidate"]
    assert counts is (point != "the version is published")
    # the next writer finishes what counts
    assert ("rust" in place.changes.to_consolidate((), stamp())) is not counts
    assert ("rust" in place.live[0].class_names) is counts
    if not counts:
        processes.consolidate_rust(place)
    assert [entry.action for entry in place.ledger.entries()] == ["add", "add", "consolidate"]
    assert "rust" in place.live[0].class_names
    assert place.live[1].names == ("dent",)
    assert place.versions.not_live(place.bundle_folder) is None
    assert place.replayed().digest == place.live[1].digest


def test_a_version_of_a_consolidation_that_was_killed_can_be_gone_to(
    place: Place, context: BaseContext, tmp_path: Path
) -> None:
    processes.add_rust(place)
    known = place.versions.all()
    place.trained_with(["rust"])
    kill(context, tmp_path, "the version is published", processes.consolidate_rust)
    place.changes.add({"pit": photos_of("pit", 1)}, stamp())

    (left,) = [version for version in place.versions.all() if version not in known][:1]
    place.changes.roll_back(stamp(), left.name)

    assert place.live[1].names == ("dent",)
    assert place.replayed().digest == place.live[1].digest
    assert place.changes.to_consolidate(["rust"], stamp()) == {"rust": ("rust-1", "rust-2")}


def test_killed_while_it_is_rolled_back_to_another_bundle_the_next_writer_goes_there(
    place: Place, context: BaseContext, tmp_path: Path, bundle: Bundle
) -> None:
    place.changes.adopt(place.trained_with(["rust"]), stamp())

    kill(context, tmp_path, "the pointer moves", processes.roll_back_over)

    assert place.live[0].version != bundle.version
    place.changes.add({"pit": photos_of("pit", 1)}, stamp())
    assert place.live[0].version == bundle.version
    assert place.live[1].names == ("pit",)
    assert place.replayed().digest == place.live[1].digest


def test_two_adders_and_a_remover_at_once_lose_nothing(place: Place, context: BaseContext, tmp_path: Path) -> None:
    doomed = ["pit", "knot"]
    for name in doomed:
        place.changes.add({name: photos_of(name, 1, 2)}, stamp(), force=True)
    together = context.Barrier(3)
    at_work = [
        context.Process(target=processes.add_at_once, args=(tmp_path, ["rust", "scratch"], together)),
        context.Process(target=processes.add_at_once, args=(tmp_path, ["burn", "stain"], together)),
        context.Process(target=processes.remove_at_once, args=(tmp_path, doomed, together)),
    ]
    for process in at_work:
        process.start()
    for process in at_work:
        process.join(120)
    assert [process.exitcode for process in at_work] == [0, 0, 0]

    entries = place.ledger.entries()
    assert [entry.number for entry in entries] == list(range(1, 10))
    assert sorted((entry.action, entry.name) for entry in entries[3:]) == [
        *(("add", name) for name in ("burn", "rust", "scratch", "stain")),
        *(("remove", name) for name in ("knot", "pit")),
    ]
    # each was made on what those before it come to
    for number, entry in enumerate(entries):
        assert entry.made_on == version_name(place.replayed(number))
    assert set(place.live[1].names) == {"dent", "rust", "scratch", "burn", "stain"}
    assert place.replayed().digest == place.live[1].digest
    assert place.versions.entry() == len(entries)
