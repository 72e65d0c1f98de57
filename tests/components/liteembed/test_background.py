"""One builder at a time, whoever asks and however it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from components.backbone import BackboneSettings, load_backbone
from components.liteembed import WholeVocabulary
from components.liteembed.things import names_of_things
from tests.conftest import REPOSITORY
from tests.support.drawn_texts import TextBackbone

MODELS = REPOSITORY / "models"


@retry(retry=retry_if_result(lambda found: not found), stop=stop_after_delay(120), wait=wait_fixed(0.05))
def until(found: Any) -> Any:
    return found()


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[WholeVocabulary]:
    """The embedded backbone's; no builder outlives the test."""
    backbone = load_backbone("embedded", models=MODELS, device="cpu", precision="fp32")
    vocabulary = WholeVocabulary(backbone, tmp_path, "a photo of a {}.")
    yield vocabulary
    for pid in builders(tmp_path):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not builders(tmp_path))


def builders(folder: Path) -> list[int]:
    """Processes whose command names that folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or ())
        if str(folder) in command and "background" in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def test_only_one_builder_is_at_work_and_its_turn_ends_with_it(whole: WholeVocabulary, tmp_path: Path) -> None:
    settings = BackboneSettings(device="cpu", precision="fp32")

    assert whole.begin(MODELS, settings)
    assert not whole.begin(MODELS, settings)  # at once: the turn went to the builder before it woke up
    assert whole.progress() == (0, len(whole.backbone.words()))
    (builder,) = builders(tmp_path)
    assert os.getpriority(os.PRIO_PROCESS, builder) > os.getpriority(os.PRIO_PROCESS, 0)

    os.kill(builder, signal.SIGKILL)
    until(lambda: whole.progress() is None)
    assert whole.read() is None
    assert whole.begin(MODELS, settings)


def test_others_hear_how_far_a_builder_is(tmp_path: Path) -> None:
    here: Any = TextBackbone(n_words=300)
    builder, other = (WholeVocabulary(here, tmp_path, "a {}") for _ in range(2))
    heard = []

    builder.build(lambda done, of: heard.append(((done, of), other.progress())))

    assert len(heard) > 2
    assert all(told == seen for told, seen in heard)
    assert other.progress() is None


def test_who_needs_it_now_waits_for_the_builder_and_hears_how_far_it_is(tmp_path: Path) -> None:
    backbone: Any = TextBackbone(n_words=300)
    whole = WholeVocabulary(backbone, tmp_path, "a {}")
    told: list[tuple[int, int]] = []
    other = WholeVocabulary(TextBackbone(n_words=300), tmp_path, "a {}")  # type: ignore[arg-type]
    turn = other._take_turn()
    assert turn is not None

    waiting = threading.Thread(target=lambda: whole.build(lambda done, of: told.append((done, of))))
    waiting.start()
    until(lambda: told)
    assert told[0] == (0, 300)
    assert backbone.encoded == 0
    other.build_in_turn()
    turn.close()
    waiting.join(30)

    assert backbone.encoded == 0  # it read what the other had built
    assert len(whole.read().words) == len(names_of_things()) + 300  # type: ignore[union-attr]
    assert whole.progress() is None
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".json"] == []


def test_without_words_nothing_is_begun(tmp_path: Path) -> None:
    backbone: Any = TextBackbone(n_words=0)
    assert not WholeVocabulary(backbone, tmp_path, "a {}").begin(MODELS, BackboneSettings())
