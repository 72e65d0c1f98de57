"""Words on labels: where they are kept, what the next ingest makes of them, and that each can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.artefacts import PhotoTables
from components.errors import ShotlineError, UserInputError
from components.files import sha256_file
from components.ingest import IngestSettings, copy_photos, cut_label_words, ingest, read_label_words
from components.live.labels import say_of_label, take_label_back
from components.workspace import Workspace
from tests.conftest import draw_photo


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """Ingested: two classes of three photos."""
    for label, hue in (("red", 0), ("green", 85)):
        for number in range(3):
            draw_photo(tmp_path / "workspace/data/raw" / label / f"{number}.jpg", hue + number, hue)
    place = Workspace(tmp_path / "workspace")
    ingested(place)
    return place


def ingested(place: Workspace) -> dict[str, str]:
    """Path to class, as the stage would have it."""
    found = ingest(place.raw, settings=IngestSettings(), workers=1)
    PhotoTables(place.ingested).write(
        manifest=found.manifest, quarantine=found.quarantine, sample=found.sample, classes=found.classes
    )
    return dict(zip(found.manifest["path"].to_pylist(), found.manifest["class"].to_pylist(), strict=True))


def test_the_next_ingest_follows_a_word_and_forgets_one_that_is_taken_back(place: Workspace) -> None:
    before, photo = ingested(place), place.raw / "red/1.jpg"

    said = say_of_label(place, str(photo), "relabel", "green")

    assert (said.word.label, said.word.to, said.path, said.label) == ("red", "green", "data/raw/red/1.jpg", "green")
    assert said.word.who
    assert ingested(place) == {**before, "red/1.jpg": "green"}
    assert photo.is_file()
    with pytest.raises(UserInputError, match="labelled green already"):
        say_of_label(place, sha256_file(photo)[:8], "relabel", "green")
    assert take_label_back(place, sha256_file(photo)[:8]).label == "red"
    assert ingested(place) == before
    with pytest.raises(UserInputError, match="nothing was said"):
        take_label_back(place, str(photo))
    assert [word.action for word in read_label_words(place.raw)] == ["relabel", "undo"]


def test_a_dropped_photo_is_quarantined_and_comes_back(place: Workspace) -> None:
    before, photo = ingested(place), place.raw / "red/1.jpg"

    assert say_of_label(place, str(photo), "drop").label == ""

    assert ingested(place) == {path: label for path, label in before.items() if path != "red/1.jpg"}
    [row] = PhotoTables(place.ingested).quarantine().to_pylist()
    assert (row["path"], row["reason"]) == ("red/1.jpg", "dropped")
    assert take_label_back(place, sha256_file(photo)).label == "red"
    assert ingested(place) == before


def test_the_last_word_holds_and_each_is_taken_back_in_turn(place: Workspace) -> None:
    photo = str(place.raw / "red/1.jpg")
    say_of_label(place, photo, "right")
    say_of_label(place, photo, "relabel", "green")
    assert say_of_label(place, photo, "drop").label == ""

    assert [take_label_back(place, photo).label for _ in range(3)] == ["green", "red", "red"]


def test_a_photo_that_was_moved_by_hand_is_not_moved_twice(place: Workspace) -> None:
    photo = place.raw / "red/1.jpg"
    say_of_label(place, str(photo), "relabel", "green")
    photo.rename(place.raw / "green/9.jpg")

    assert ingested(place)["green/9.jpg"] == "green"


def test_a_class_that_is_there_no_more_is_told(place: Workspace) -> None:
    say_of_label(place, str(place.raw / "red/1.jpg"), "relabel", "green")
    for number in range(3):
        (place.raw / f"green/{number}.jpg").rename(place.raw / f"green/{number}.txt")
        draw_photo(place.raw / "blue" / f"{number}.jpg", 170 + number, 170)
    (place.raw / "green").rename(place.raw / ".green")

    found = ingest(place.raw, settings=IngestSettings(), workers=1)

    assert "label_lost" in [note.code for note in found.notes]
    assert set(found.manifest["class"].to_pylist()) == {"red", "blue"}


def test_photos_that_take_the_place_of_others_keep_what_was_said(place: Workspace, tmp_path: Path) -> None:
    say_of_label(place, str(place.raw / "red/1.jpg"), "relabel", "green")
    for label, hue in (("red", 0), ("green", 85)):
        for number in range(1, 4):
            draw_photo(tmp_path / "more" / label / f"{number}.jpg", hue + number, hue)

    assert copy_photos(tmp_path / "more", place.raw, replace=True) is not None

    assert ingested(place)["red/1.jpg"] == "green"


def test_an_earlier_day_knows_the_words_of_then(place: Workspace) -> None:
    say_of_label(place, str(place.raw / "red/1.jpg"), "drop")

    cut_label_words(place.raw, datetime.now(UTC) - timedelta(days=1))

    assert read_label_words(place.raw) == []


@pytest.mark.parametrize(
    ("say", "what"),
    [
        (lambda place: say_of_label(place, "data/raw/red/1.jpg", "relabel", "mauve"), "no trained class"),
        (lambda place: say_of_label(place, "0" * 64, "drop"), "no such photo"),
        (lambda place: say_of_label(place, "", "drop"), "no such photo"),
    ],
)
def test_what_is_not_there_is_told(place: Workspace, say: Callable[[Workspace], object], what: str) -> None:
    with pytest.raises(UserInputError, match=what):
        say(place)


def test_a_broken_line_is_named_and_half_a_line_does_not_count(place: Workspace) -> None:
    say_of_label(place, "data/raw/red/1.jpg", "right")
    words = place.raw / ".labels.jsonl"
    whole = words.read_text()
    words.write_text(whole + whole[:20])
    assert len(read_label_words(place.raw)) == 1
    words.write_text("{}\n")

    with pytest.raises(ShotlineError, match="line 1"):
        read_label_words(place.raw)
