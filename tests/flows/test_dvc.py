"""What DVC can record and what it cannot, on a pipeline of one stage of ours: told before anything, or it works."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.errors import ShotlineError, UserInputError
from components.workspace import Workspace
from flows import pipeline
from flows.dvc import Pipeline
from flows.photo_links import refuse_links_into_cache
from tests.support.notes import Notes
from tests.support.stories import tree_digest

OURS = {"ingest": {"cmd": "shotline stage ingest", "deps": ["data/raw"], "outs": ["data/ingest"]}}
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two photos, git, DVC."""
    root = tmp_path / "workspace"
    for name in ("red", "green"):
        (root / "data/raw" / name).mkdir(parents=True)
        (root / "data/raw" / name / "0.jpg").write_text(name)
    (root / "params.yaml").write_text("{}\n")
    (root / "models").mkdir()
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    write(root, {})
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return Workspace(root)


def write(root: Path, own: dict[str, object]) -> None:
    """The pipeline: ours, and what is the user's own."""
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {**OURS, **own}}))


def walk(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, bool], list[str]]:
    """What ran, and what was told; ours copies the photos."""

    def run_stage(name: str, *_: object) -> None:
        shutil.copytree(workspace.raw, workspace.ingested)

    monkeypatch.setattr(pipeline, "run_stage", run_stage)
    notes = Notes()
    ran = pipeline.run_stages(workspace, notes)
    return {**ran, **pipeline.run_own_stages(workspace, notes)}, notes.notes


def recorded(workspace: Workspace) -> tuple[int, int]:
    """Files and bytes that DVC has for the photos."""
    (out,) = yaml.safe_load((workspace.root / "data/raw.dvc").read_text())["outs"]
    return out["nfiles"], out["size"]


@pytest.mark.parametrize("types", ["symlink", "hardlink", "reflink", "copy", "reflink,hardlink,symlink"])
def test_photos_stay_files_by_whatever_links_dvc_is_set_to(workspace: Workspace, types: str) -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    type = {types!r}\n")
    for _ in range(2):
        Pipeline(workspace).check()
        Pipeline(workspace).track_sources()
        assert recorded(workspace) == (2, 8)
    assert not any(path.is_symlink() for path in workspace.raw.rglob("*"))


def test_links_into_dvcs_cache_become_files_and_others_are_left_alone(workspace: Workspace, tmp_path: Path) -> None:
    Pipeline(workspace).track_sources()
    photo = workspace.raw / "red/0.jpg"
    (cached,) = (
        path for path in (workspace.root / ".dvc/cache").rglob("*") if path.is_file() and path.stat().st_size == 3
    )
    photo.unlink()
    photo.symlink_to(cached)  # as `dvc checkout` does
    with pytest.raises(UserInputError, match="links in the place of photos"):  # in `dvc repro`, which knows no better
        refuse_links_into_cache(workspace.raw)
    (tmp_path / "secret").write_text("secret")
    (workspace.raw / "red/1.jpg").symlink_to(tmp_path / "secret")

    Pipeline(workspace).track_sources()

    assert recorded(workspace) == (2, 8)
    assert photo.read_text() == "red"
    assert not photo.is_symlink()
    assert (workspace.raw / "red/1.jpg").is_symlink()
    refuse_links_into_cache(workspace.raw)


@pytest.mark.parametrize("left", ["nothing", "links", "hidden"])
def test_emptiness_is_never_recorded(workspace: Workspace, left: str, tmp_path: Path) -> None:
    Pipeline(workspace).track_sources()
    for photo in workspace.raw.rglob("*.jpg"):
        photo.unlink()
        if left == "links":
            photo.symlink_to(tmp_path)
        if left == "hidden":
            (photo.parent / ".DS_Store").touch()

    with pytest.raises(UserInputError):
        Pipeline(workspace).track_sources()

    assert recorded(workspace) == (2, 8)


def test_without_git_it_works(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(workspace.root / ".git")
    Pipeline(workspace).check(replacing=True)

    assert walk(workspace, monkeypatch)[0] == {"ingest": True}
    assert walk(workspace, monkeypatch)[0] == {"ingest": False}


def _raw_elsewhere(root: Path) -> None:
    (root / "data/raw").rename(root.with_name("disk"))
    (root / "data/raw").symlink_to(root.with_name("disk"))


def _data_elsewhere(root: Path) -> None:
    (root / "data").rename(root.with_name("disk"))
    (root / "data").symlink_to(root.with_name("disk"))


def _in_git(*paths: str) -> Callable[[Path], None]:
    def commit(root: Path) -> None:
        for path in paths:
            (root / path).mkdir(parents=True, exist_ok=True)
            (root / path / "0.jpg").write_text("photo")
        subprocess.run([*GIT, "add", "--all"], cwd=root, check=True)
        subprocess.run([*GIT, "commit", "--quiet", "-m", "everything"], cwd=root, check=True)

    return commit


def _written(path: str, content: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text(content)


CANNOT: dict[str, tuple[Callable[[Path], object], str]] = {
    "data/raw is a link to another disk": (_raw_elsewhere, "shotline train .*disk copies the photos"),
    "data is a link to another disk": (_data_elsewhere, "move the whole workspace there"),
    "git has the photos": (_in_git("data/raw"), "git rm -r --cached data/raw"),
    "git has the arrivals": (_in_git("data/arrivals/photos"), "git rm -r --cached .*data/arrivals/photos"),
    "dvc.lock has a conflict": (
        _written("dvc.lock", "<<<<<<< HEAD\nschema: '2.0'\n=======\n>>>>>>> other\n"),
        "settle the conflict in it, or remove it",
    ),
    "dvc.yaml is no pipeline": (
        _written("dvc.yaml", "stages:\n  mine: {cmd: a, oops: 3}\n"),
        "DVC cannot read dvc.yaml",
    ),
    "dvc.yaml is no YAML": (_written("dvc.yaml", "stages: [\n"), "DVC cannot read dvc.yaml"),
    "stages in a circle": (
        lambda root: write(
            root,
            {"one": {"cmd": "a", "deps": ["x"], "outs": ["y"]}, "two": {"cmd": "a", "deps": ["y"], "outs": ["x"]}},
        ),
        "one, two|two, one",
    ),
    "DVC's settings are damaged": (_written(".dvc/config", "[core\n"), "config"),
    "there is no DVC": (lambda root: shutil.rmtree(root / ".dvc"), "dvc init"),
    "a stage writes the photos": (
        lambda root: write(root, {"fetch": {"cmd": "a", "outs": ["data/raw"]}}),
        "the stage fetch of dvc.yaml writes the photos",
    ),
    "another command holds DVC's lock on the photos": (
        lambda root: (
            (root / ".dvc/tmp").mkdir(exist_ok=True),
            _written(
                ".dvc/tmp/rwlock",
                f'{{"read": {{"{root}/data/raw": [{{"pid": {os.getppid()}, "cmd": "dvc repro"}}]}}}}',
            )(root),
        ),
        "another run or dvc command is at work here",
    ),
}


@pytest.mark.parametrize("kind", CANNOT)
def test_what_dvc_cannot_record_is_told_before_anything_is_touched(workspace: Workspace, kind: str) -> None:
    spoil, told = CANNOT[kind]
    spoil(workspace.root)
    before = {
        path: each for path, each in tree_digest(workspace.root).items() if not path.startswith((".dvc/tmp", ".git"))
    }

    with pytest.raises(UserInputError, match=told), ready_to_copy(workspace):
        pass

    after = {
        path: each for path, each in tree_digest(workspace.root).items() if not path.startswith((".dvc/tmp", ".git"))
    }
    assert {path: each for path, each in after.items() if path in before} == before
    assert not [path for path in after if path not in before and not path.startswith(".dvc")]


def ready_to_copy(workspace: Workspace) -> object:
    """What `shotline train DATA` asks before it copies."""
    stages = Pipeline(workspace)
    stages.check(replacing=True)
    return stages.writing_photos()


def test_a_lock_of_a_process_that_was_killed_holds_up_nobody(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (workspace.root / ".dvc/tmp").mkdir()
    (workspace.root / ".dvc/tmp/lock").write_text(f" {gone.pid}\n")
    (workspace.root / ".dvc/tmp/rwlock").write_text(
        f'{{"write": {{"{workspace.raw}": {{"pid": {gone.pid}, "cmd": "dvc repro"}}}}}}'
    )
    Pipeline(workspace).check()
    assert walk(workspace, monkeypatch)[0] == {"ingest": True}


def test_stages_of_ones_own_are_run_and_one_that_fails_stops_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace.root
    (root / "folder").mkdir()
    (root / "folder/dvc.yaml").write_text("stages: {ingest: {cmd: cp ../data/ingest/red/0.jpg mine, outs: [mine]}}\n")
    write(
        root,
        {
            "broken": {"cmd": "echo no >&2; exit 3", "deps": ["data/ingest"]},
            "after_broken": {"cmd": "true", "deps": ["nothing"], "outs": ["other"]},
            "silent": {"cmd": "true", "deps": ["data/ingest"], "outs": ["never written"]},
            "each": {"foreach": ["x", "y"], "do": {"cmd": "echo ${item} > ${item}", "outs": ["${item}"]}},
            "grid": {
                "matrix": {"size": ["s", "l"], "kind": [1, 2]},
                "cmd": "echo > ${item.size}${item.kind}",
                "outs": ["${item.size}${item.kind}"],
            },
            "still": {"cmd": "cp words frozen", "frozen": True, "outs": ["frozen"]},
            "always": {"cmd": "printenv SHOTLINE_TURN > turn", "always_changed": True, "outs": ["turn"]},
        },
    )
    (root / "words").write_text("blue")

    ran, notes = walk(workspace, monkeypatch)

    assert ran["ingest"]
    failed = {note.partition(":")[0] for note in notes if "your stage failed, the rest goes on" in note}
    assert failed == {"broken", "after_broken", "silent"}
    done = {"each@x", "each@y", "grid@1-s", "grid@2-l", "still", "always", "folder/dvc.yaml:ingest"}
    assert done <= {name for name, run in ran.items() if run}
    assert (root / "turn").read_text().strip() == str(root / "data/.consolidation.lock")
    again, _ = walk(workspace, monkeypatch)
    assert {name for name, run in again.items() if run} == {"always"}


def test_what_ours_needs_is_run_before_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(workspace.raw)
    (workspace.root / "photo").write_text("photo")
    write(
        workspace.root,
        {"fetch": {"cmd": "mkdir -p data/raw/red && cp photo data/raw/red/", "deps": ["photo"], "outs": ["data/raw"]}},
    )

    assert list(walk(workspace, monkeypatch)[0].items()) == [("fetch", True), ("ingest", True)]
    assert (workspace.ingested / "red/photo").read_text() == "photo"

    (workspace.root / "photo").unlink()  # it cannot run, and what it made is still there
    ran, notes = walk(workspace, monkeypatch)
    assert ran == {"ingest": False}
    assert [note for note in notes if note.startswith("fetch: your stage failed, the rest goes on")]

    write(workspace.root, {"fetch": {"cmd": "exit 3", "outs": ["data/raw"]}})
    with pytest.raises(ShotlineError, match="data/raw"):
        walk(workspace, monkeypatch)


def test_what_dvc_was_not_told_of_and_what_would_run_anew_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Pipeline(workspace).behind() == (("data/raw",), ("ingest",))
    walk(workspace, monkeypatch)
    assert Pipeline(workspace).behind() == ((), ())

    (workspace.raw / "red/1.jpg").write_text("another")
    (workspace.arrivals / "ledger.jsonl").write_text("line")
    assert Pipeline(workspace).behind() == (("data/raw", "data/arrivals/ledger.jsonl"), ("ingest",))
