"""A few more photos become one more class, live at once, and it can be taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.liteembed.things import names_of_things
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.stories import CLASSES, Run, tree_digest


@pytest.fixture
def teal(tmp_path: Path) -> Path:
    """Four photos of a colour that nobody trained on, and a file that is none."""
    for number in range(4):
        draw_photo(tmp_path / "teal" / f"{number}.jpg", 900 + number, hue=128)
    (tmp_path / "teal" / "notes.txt").write_text("no photo")
    return tmp_path / "teal"


def test_a_class_goes_live_is_replayed_and_goes_again(
    copy_of_trained: Path, run_command: Run, teal: Path, photo_folder: Path, tmp_path: Path
) -> None:
    draw_photo(tmp_path / "query.jpg", 990, hue=128)
    photos = [tmp_path / "query.jpg", *(next((photo_folder / "test" / name).iterdir()) for name in CLASSES)]

    def classify() -> list[dict[str, object]]:
        return [
            json.loads(line)
            for line in run_command("shotline", "classify", "--json", *photos, cwd=copy_of_trained).stdout.splitlines()
        ]

    before = classify()

    done = run_command("shotline", "add-class", "teal", teal, "--json", cwd=copy_of_trained)
    added = json.loads(done.stdout)
    assert "notes.txt" in done.stderr
    assert added["classes"][0]["photos"] == 4
    assert added["classes"][0]["words"]
    assert set(added["classes"][0]["words"]) <= set(names_of_things())  # whole words, no tokenizer's pieces
    answers = classify()
    assert [answer["top"][0]["class"] for answer in answers] == ["teal", *CLASSES]  # type: ignore[index]
    assert {answer["bank"] for answer in answers} == {added["version"]}
    listed = run_command("shotline", "classes", "--json", cwd=copy_of_trained).stdout.splitlines()
    assert [json.loads(line)["kind"] for line in listed] == ["trained"] * 5 + ["added"]

    # the pipeline replays the ledger to the very same bank, and leaves what is live as it is
    run_command("shotline", "train", "--plain", cwd=copy_of_trained)
    live = copy_of_trained / "models/live" / added["version"]
    assert tree_digest(copy_of_trained / "models/bank") == tree_digest(live / "bank")
    assert json.loads((copy_of_trained / "models/live/current.json").read_text())["version"] == added["version"]
    assert "up to date" in run_command("dvc", "status", cwd=copy_of_trained).stdout

    told = run_command("shotline", "remove-class", "teal", cwd=copy_of_trained).stdout
    assert f"live: {added['before']}" in told
    assert classify() == before
    run_command("shotline", "rollback", added["version"][:6], cwd=copy_of_trained)
    assert classify() == answers
    assert run_command("shotline", "diff", added["before"], added["version"], cwd=copy_of_trained).stdout == (
        "+ teal  (added, 4 photos)\n"
    )


def test_what_harms_is_refused_with_exit_3_and_mistakes_with_2(
    copy_of_trained: Path, run_command: Run, photo_folder: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin"
    for number in range(12):  # of four or six alone, chance decides which of the two classes has them
        draw_photo(twin / f"{number}.jpg", 450 + number, hue=200)  # the colour of the class red
    pointer = (copy_of_trained / "models/live/current.json").read_text()

    refused = run_command("shotline", "add-class", "twin", twin, cwd=copy_of_trained, expect=3).stderr
    assert "--force" in refused
    photo = next((photo_folder / "train/red").iterdir())
    for command, told in (
        (("add-class", "a/b", photo), "holds '/'"),
        (("add-class", "nothing", tmp_path / "nobody.jpg"), "none of its photos can be used"),
        (("remove-class", "red"), "trained class"),
        (("rename-class", "nobody", "somebody"), "no added class"),
        (("rollback", "zzz"), "no live version"),
    ):
        said = run_command("shotline", *command, cwd=copy_of_trained, expect=2).stderr
        assert told in said
        assert "Traceback" not in said
    assert (copy_of_trained / "models/live/current.json").read_text() == pointer


@pytest.mark.soak
def test_a_class_keeps_its_name_and_photos_that_wait_are_listed_and_taken_back(
    copy_of_trained: Path, run_command: Run, teal: Path
) -> None:
    photos = [teal / f"{number}.jpg" for number in range(4)]

    def said(*command: str | Path) -> str:
        return run_command("shotline", *command, cwd=copy_of_trained).stdout

    added = run_command("shotline", "add-class", "Tea-Leaf", *photos, photos[0], cwd=copy_of_trained)
    assert f"Tea-Leaf: {len(photos)} photos" in added.stdout
    assert f"{photos[0]}: it is the same photo as {photos[0]}" in " ".join(added.stderr.split())
    assert "Tea-Leaf  (added" in said("classes")
    version = added.stdout.split("live: ")[1].split()[0]
    assert said("diff", version, version) == "no difference\n"

    renamed = said("rename-class", "Tea-Leaf", "Green Tea").split("live: ")[1].split()[0]
    assert said("diff", version, renamed) == "~ Tea-Leaf  is called Green Tea\n"

    said("remove-class", "Green Tea")
    assert "Green Tea" not in said("classes")
    assert "remove-class takes them back" in said("add-class", "red", *photos)
    assert f"{len(photos)} more wait" in said("classes")
    assert "taken back" in said("remove-class", "red")
    assert "wait" not in said("classes")


@pytest.mark.soak
def test_the_whole_vocabulary_is_built_beside_and_judges_once_it_is_there(
    copy_of_trained: Path, run_command: Run, teal: Path, tmp_path: Path
) -> None:
    def judged() -> list[str]:
        lines = (copy_of_trained / "data/arrivals/ledger.jsonl").read_text().splitlines()
        return [json.loads(line)["vocabulary"] for line in lines]

    Workspace(copy_of_trained).set_parameters({"liteembed.vocabulary": "full"})
    for number in range(3):
        draw_photo(tmp_path / "olive" / f"{number}.jpg", 700 + number, hue=60)

    told = run_command("shotline", "add-class", "teal", teal, cwd=copy_of_trained).stdout
    assert "the whole one is being built" in told
    words = run_command("shotline", "vocabulary", cwd=copy_of_trained, timeout_s=900).stdout
    assert int(words.split()[0].replace(",", "")) > 30_000
    run_command("shotline", "add-class", "olive", tmp_path / "olive", "--force", cwd=copy_of_trained)
    assert judged() == ["starter", "full"]

    # a machine without the cache makes the same bank again, from the vocabularies that the ledger names
    live = json.loads((copy_of_trained / "models/live/current.json").read_text())["version"]
    for cached in (copy_of_trained / "data/cache/vocabulary").glob("*.safetensors"):
        cached.unlink()
    run_command("shotline", "stage", "liteembed", cwd=copy_of_trained, timeout_s=900)
    assert tree_digest(copy_of_trained / "models/bank") == tree_digest(copy_of_trained / "models/live" / live / "bank")
