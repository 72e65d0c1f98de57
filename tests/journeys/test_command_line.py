"""What a newcomer types, and what they read."""

from __future__ import annotations

import csv
import dataclasses
import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

from components.classifier import Bundle
from components.workspace import Workspace
from tests.conftest import REPOSITORY, draw_photo
from tests.support.stories import CLASSES, Run


def test_help_is_there_in_half_a_second(run_command: Run) -> None:
    run_command("shotline", "--help", cwd=REPOSITORY, env={})  # compiles what was never imported before
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = run_command("shotline", "--help", cwd=REPOSITORY, env={}).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    # Processor time: it does not depend on what else the machine is doing.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert "classify" in said


def test_train_ends_with_the_table_the_bundle_and_the_line_that_serves(trained: Path) -> None:
    printed = (trained / "reports/printed.txt").read_text()

    assert "map_lr" in printed
    assert "bundle: models/bundle" in printed
    assert "shotline serve" in printed


def test_classify_names_the_colours(trained: Path, photo_folder: Path, run_command: Run) -> None:
    photos = [next((photo_folder / "test" / name).iterdir()) for name in CLASSES]

    printed = run_command("shotline", "classify", "--json", *photos, cwd=trained).stdout

    answers = [json.loads(line) for line in printed.splitlines()]
    assert [answer["top"][0]["class"] for answer in answers] == list(CLASSES)
    assert all(answer.keys() == {"path", "top", "likely", "abstained", "bank"} for answer in answers)


def answer_from_the_stages(workspace: Path) -> None:
    """With nothing live, what the stages wrote answers."""
    shutil.rmtree(workspace / "models/live")
    shutil.rmtree(workspace / "models/bank")


def test_people_read_the_words_for_a_class_beside_its_folder(
    copy_of_trained: Path, photo_folder: Path, run_command: Run
) -> None:
    bundle = Bundle.load(copy_of_trained / "models/bundle")
    words = tuple({"red": "rusty plate"}.get(name, name) for name in bundle.class_names)
    dataclasses.replace(bundle, display_names=words).save(copy_of_trained / "models/bundle")
    answer_from_the_stages(copy_of_trained)
    red = next((photo_folder / "test/red").iterdir())
    green = next((photo_folder / "test/green").iterdir())

    first, second = run_command("shotline", "classify", red, green, cwd=copy_of_trained).stdout.splitlines()
    alone = run_command("shotline", "classify", "--top", "1", red, cwd=copy_of_trained).stdout
    assert first.count("%") == 3
    assert alone.count("%") == 1
    program = run_command("shotline", "classify", "--json", red, cwd=copy_of_trained).stdout

    assert first.startswith(f'{red}: red "rusty plate" ')
    assert second.startswith(f"{green}: green ")
    assert json.loads(program)["top"][0].keys() == {"class", "probability"}
    assert json.loads(program)["top"][0]["class"] == "red"


def test_the_limits_of_params_hold_where_photos_are_classified(
    copy_of_trained: Path, photo_folder: Path, run_command: Run
) -> None:
    quick = {"classifier.heads": ["zero_shot", "nearest_mean"]}
    Workspace.find(copy_of_trained).set_parameters({"ingest.max_pixels": 4000, **quick})  # the photos have 64 x 48
    run_command("shotline", "stage", "classifier", cwd=copy_of_trained)
    answer_from_the_stages(copy_of_trained)
    draw_photo(copy_of_trained / "large.jpg", 1, size=(80, 60))
    small = next((photo_folder / "test/red").iterdir())

    said = run_command("shotline", "classify", "large.jpg", small, cwd=copy_of_trained, expect=2)

    assert "80 x 60 pixels, more than 4,000" in said.stderr
    assert "ingest.max_pixels" in said.stderr
    assert len(said.stdout.splitlines()) == 1


def test_a_bad_photo_is_told_and_the_rest_go_on(
    trained: Path, photo_folder: Path, run_command: Run, tmp_path: Path
) -> None:
    good = next((photo_folder / "test/red").iterdir())
    (tmp_path / "text.jpg").write_text("not a photo")

    done = run_command(
        "shotline", "classify", "--json", tmp_path / "text.jpg", tmp_path / "nobody.jpg", good, cwd=trained, expect=2
    )

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [sorted(answer) for answer in answers[:2]] == [["error", "path"]] * 2
    assert answers[2]["top"][0]["class"] == "red"


def test_mistakes_end_with_what_to_do_and_exit_2(trained: Path, run_command: Run, tmp_path: Path) -> None:
    draw_photo(tmp_path / "one_class/red/1.jpg", 1)
    for name in ("red", "green"):
        draw_photo(tmp_path / "others" / name / "1.jpg", 1)
    parameters = (trained / "params.yaml").read_text()
    for command, told in (
        (("train", tmp_path / "nowhere"), "there is no such folder or file"),
        (("train", tmp_path / "one_class"), "there is one class only"),
        (("train", tmp_path / "others"), "--replace"),
        (("train", "--backbone", "ViT-B-16"), 'no backbone "ViT-B-16"'),
        (("stage", "nothing"), 'there is no stage "nothing"'),
    ):
        done = run_command("shotline", *command, cwd=trained, expect=2, called=True)
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    assert (trained / "params.yaml").read_text() == parameters
    assert "no workspace here" in run_command("shotline", "classify", "x.jpg", cwd=tmp_path, expect=2).stderr


def test_a_slip_in_the_last_section_is_told_before_the_first_stage_runs(
    copy_of_trained: Path, run_command: Run, photo_folder: Path
) -> None:
    with (copy_of_trained / "params.yaml").open("a") as parameters:
        parameters.write("\nclasifier: {folds: 3}\n")
    for command in ((), (photo_folder,), ("--shots", "2")):
        said = run_command("shotline", "train", "--plain", *command, cwd=copy_of_trained, expect=2).stderr
        assert "the section 'clasifier' is unknown" in said
        assert "did you mean classifier?" in said
        assert "ingest" not in said


def test_a_slip_in_the_backbones_name_is_told_before_the_first_stage_runs(
    copy_of_trained: Path, run_command: Run
) -> None:
    Workspace(copy_of_trained).set_parameters({"backbone.name": "embeded", "ingest.seed": 2})
    said = run_command("shotline", "train", "--plain", cwd=copy_of_trained, expect=2)
    assert "did you mean embedded?" in said.stderr
    assert "ingest" not in said.stdout + said.stderr


def test_a_server_that_does_not_answer_is_told_before_anything_runs(
    make_workspace: Callable[[], Path], run_command: Run
) -> None:
    dead = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}

    said = run_command("shotline", "train", cwd=make_workspace(), expect=2, env=dead, called=True).stderr

    assert "no Prefect server answers there" in said
    assert "Traceback" not in said


def test_a_folder_becomes_a_table_that_a_second_run_goes_on_with(
    trained: Path, photo_folder: Path, run_command: Run, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    shutil.copytree(photo_folder / "test", tmp_path / "in")
    (tmp_path / "in/red/cut.jpg").write_bytes((tmp_path / "in/red/08.jpg").read_bytes()[:600])
    command = ("shotline", "classify", tmp_path / "in", "--csv", table, "--signature")

    said = run_command(*command, "--sort-into", tmp_path / "out", cwd=trained, expect=2).stderr
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    assert [Path(row["path"]).name for row in rows if row["error"]] == ["cut.jpg"]
    assert sum(Path(row["path"]).parent.name == row["class"] for row in rows) >= 16
    assert "1 without an answer" in said
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 20

    draw_photo(tmp_path / "in/amber/new.jpg", 77, hue=0)
    before = table.read_bytes()
    said = run_command(*command, cwd=trained, expect=2).stderr
    assert "21 photos of 22 have their rows already" in said
    assert table.read_bytes().startswith(before)
    assert table.read_bytes().count(b"\r\n") == 23
