from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.backbone import BackboneSettings, load_with_beside
from components.errors import UserInputError
from components.protocol import Protocol, Results, find_sets, measure, run_protocol
from components.protocol.results import Measured
from components.protocol.tables import SHIPPED, write_tables
from components.workspace import Workspace
from tests.conftest import draw_photo

HEADS = ("zero_shot", "nearest_mean")


def draw_coop(root: Path, split_file: str, classes: int = 4, photos: int = 7) -> None:
    """A set as CoOp lays it out: photos in images/, a split file beside."""
    rows: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    for label in range(classes):
        for photo in range(photos):
            path = f"kind_{label}/{photo}.jpg"
            draw_photo(root / "images" / path, 100 * label + photo + len(root.name), hue=label * 60)
            rows[("train", "train", "train", "train", "val", "test", "test")[photo % 7]].append(
                [path, label, f"kind {label}"]
            )
    (root / split_file).write_text(json.dumps(rows))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    draw_coop(folder / "dtd", "split_zhou_DescribableTextures.json")
    draw_coop(folder / "oxford_pets", "split_zhou_OxfordPets.json")
    draw_coop(folder / "eurosat", "split_zhou_EuroSAT.json")
    (folder / "eurosat/split_zhou_EuroSAT.json").write_text('{"train": [["a.jpg", 0,')
    for label in range(3):
        for photo in range(4):
            draw_photo(folder / "mine" / f"kind_{label}" / f"{photo}.jpg", 10 * label + photo, hue=label * 80)
    return folder


@pytest.fixture(scope="module")
def workspace(make_workspace: Callable[[], Path]) -> Workspace:
    return Workspace(make_workspace())


def run(workspace: Workspace, sets: Path, output: Path, told: list[str]) -> tuple[str, list[str]]:
    return run_protocol(workspace, sets, output, heads=HEADS, shots=(1, 2), seeds=(1, 2), told=told.append)


def test_what_is_found_is_measured_and_what_is_broken_or_absent_is_told(
    workspace: Workspace, sets: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    text, problems = run(workspace, sets, tmp_path / "all", told)

    assert "| head | OxfordPets | DTD | mine | mean |" in text
    assert [problem.partition(":")[0] for problem in problems] == ["EuroSAT"]
    assert "the split file is no JSON" in problems[0]
    assert "Not found: ImageNet, Caltech101, StanfordCars" in text
    assert (tmp_path / "all/accuracy.png").read_bytes()[:4] == b"\x89PNG"
    assert "| zero_shot |" in text
    assert f"| {SHIPPED} |" in text

    # Killed in the middle of a line, it goes on and ends with the same files.
    lines = (tmp_path / "all/results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "half").mkdir()
    (tmp_path / "half/results.jsonl").write_bytes(b"".join(lines[:13]) + lines[13][:50])
    again: list[str] = []
    resumed, _ = run(workspace, sets, tmp_path / "half", again)
    assert resumed == text
    assert sum("measured already" in line for line in again) == 9
    assert (tmp_path / "half/accuracy.png").read_bytes() == (tmp_path / "all/accuracy.png").read_bytes()


def test_figures_are_those_of_a_training(workspace: Workspace, sets: Path, tmp_path: Path) -> None:
    """The same photos through the stages ingest, features and classifier of a workspace."""
    from components.artefacts import FeatureKeys
    from components.classifier import load_candidates
    from components.ingest import plan_copy
    from components.stages import run_stage
    from components.stages.rows import read_query

    class Silent:
        def __getattr__(self, _: str) -> Callable[..., None]:
            return lambda *arguments: None

    plan_copy(sets / "dtd", workspace.raw).run(lambda done, total: None)
    workspace.set_parameters({"ingest.shots": 2, "ingest.seed": 2, "classifier.heads": list(HEADS)})
    place = Workspace(workspace.root)
    for stage in ("ingest", "validate", "features", "ldc", "classifier"):
        run_stage(stage, place, Silent())
    query = read_query(place, Silent())
    assert query is not None
    trained = {
        each.name: float((each.head.scores(query.features).argmax(1) == query.labels).double().mean())
        for each in load_candidates(place.models / "heads")
    }
    found = next(each for each in find_sets(sets)[0] if each.name == "DTD")
    backbone = load_with_beside(BackboneSettings(), place.models)
    results = Results(tmp_path)
    measure(found, Protocol(place, backbone, HEADS, (2,), (2,)), results, lambda _: None)

    assert FeatureKeys.read(place.features, ["query"]).views
    row = next(row for row in results.measured if row.setting == "all")
    assert row.top1 == trained
    assert {row.setting for row in results.measured} == {"all", "base", "new"}


def test_the_table_s_mean_and_spread(tmp_path: Path) -> None:
    rows = [
        Measured(str(seed), name, "all", 4, seed, 2, 10, {"zero_shot": 0.5, "map_lr": value}, "map_lr")
        for name, values in {"DTD": (0.6, 0.8), "mine": (0.9, 0.9)}.items()
        for seed, value in enumerate(values)
    ]
    text = write_tables(tmp_path / "t.md", rows, backbone="b", absent=[], problems=[])

    assert "| map_lr | 70.0 ± 14.1 | 90.0 ± 0.0 | **80.0** |" in text
    assert "| zero_shot | 50.0 ± 0.0 | 50.0 ± 0.0 | **50.0** |" in text


def test_imagenet_aircraft_and_a_shift_are_read(workspace: Workspace, tmp_path: Path) -> None:
    for number, label in enumerate(("n01", "n02", "n03")):
        for photo in range(3):
            draw_photo(tmp_path / f"imagenet/images/train/{label}/{photo}.jpg", 10 * number + photo, hue=number * 80)
            draw_photo(
                tmp_path / f"imagenet/images/val/{label}/v{photo}.jpg", 50 + 10 * number + photo, hue=number * 80
            )
            draw_photo(
                tmp_path / f"imagenet-sketch/images/{label}/{photo}.jpg", 90 + 10 * number + photo, hue=number * 80
            )
    (tmp_path / "imagenet/classnames.txt").write_text("n01 tench\nn02 great white shark\nn03 hen\n")
    draw_photo(tmp_path / "imagenet-adversarial/imagenet-a/n02/a.jpg", 300, hue=80)
    draw_photo(tmp_path / "imagenet-adversarial/imagenet-a/n03/b.jpg", 301, hue=160)
    for number in range(8):
        draw_photo(tmp_path / f"fgvc_aircraft/images/{number}.jpg", 200 + number, hue=number % 2 * 90)
    for split, numbers in {"train": (0, 1, 2, 3), "val": (4, 5), "test": (6, 7)}.items():
        lines = [f"{number} {('707-320', 'A330/200')[number % 2]}" for number in numbers]
        (tmp_path / f"fgvc_aircraft/images_variant_{split}.txt").write_text("\n".join(lines))
    told: list[str] = []
    text, problems = run_protocol(
        workspace, tmp_path, tmp_path / "out", heads=HEADS, shots=(1,), seeds=(1,), base_to_new=False, told=told.append
    )

    assert problems == []
    assert "| head | ImageNet | FGVCAircraft | mean |" in text
    rows = {row.setting: row for row in Results(tmp_path / "out").measured if row.set == "ImageNet"}
    assert {name: (row.classes, row.query) for name, row in rows.items()} == {
        "all": (3, 9),
        "ImageNet-Sketch": (3, 9),
        "ImageNet-A": (2, 2),
    }


def test_a_folder_without_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="there is no set in this folder"):
        find_sets(tmp_path)


def test_the_command_takes_several_values_an_option(workspace: Workspace, sets: Path, tmp_path: Path) -> None:
    from flows.cli import main

    command = ["benchmark", "--sets", str(sets), "--shots", "1", "2", "--seeds", "1", "--heads", "zero_shot", "--only"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "DTD", "nobody", "--output", str(tmp_path), "-w", str(workspace.root)])

    assert ended.value.code in (0, None)
    assert {(row.shots, row.set) for row in Results(tmp_path).measured} == {(1, "DTD"), (2, "DTD")}
