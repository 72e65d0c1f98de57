from pathlib import Path

import pytest

from components.backbone import BackboneSettings
from components.errors import UserInputError
from components.features import FeaturesSettings
from components.workspace import Parameters, Workspace


def parameters(tmp_path: Path, text: str) -> Parameters:
    (tmp_path / "params.yaml").write_text(text)
    return Parameters.read(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("features: {vews: 3}", 'unknown parameter "vews" \\(value 3\\).*did you mean views'),
        ("features: {views: many}", "views is 'many'"),
        ("features: {mode: mean}", "mode is 'mean'"),
        ("features: [", "not YAML"),
        ("- 1", "not a mapping"),
        ("features: [1]", "the section features is \\[1\\], no mapping"),
        ("features: {1: 2}", 'unknown parameter "1"'),
    ],
)
def test_what_nobody_reads_is_refused_with_the_value_found(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserInputError, match=told):
        parameters(tmp_path, text).section("features", FeaturesSettings)


def test_sections_that_nobody_reads_are_refused_and_every_known_one_is_read(tmp_path: Path) -> None:
    sections = {"features": FeaturesSettings, "backbone": BackboneSettings}
    parameters(tmp_path, "features: {views: 2}\n").check(sections)

    with pytest.raises(UserInputError, match=r"the section 'feature' is unknown.*did you mean features\?"):
        parameters(tmp_path, "feature: {views: 2}").check(sections)
    with pytest.raises(UserInputError, match="device is 'tpu'"):
        parameters(tmp_path, "features: {}\nbackbone: {device: tpu}").check(sections)


def test_what_a_section_leaves_out_has_its_default(tmp_path: Path) -> None:
    read = parameters(tmp_path, "features: {views: 2}\nbackbone:\n")

    assert read.section("features", FeaturesSettings) == FeaturesSettings(views=2)
    assert read.section("backbone", BackboneSettings) == BackboneSettings()


def test_setting_a_parameter_keeps_comments_and_the_rest(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("")
    (tmp_path / "params.yaml").write_text("ingest:\n  shots: 16 # a class\n  seed: 1\n  most: null\n")
    workspace = Workspace.find(tmp_path)
    assert workspace.parameters.sections["ingest"]["shots"] == 16

    workspace.set_parameters({"ingest.shots": 4, "ingest.seed": None, "backbone.name": "embedded"})

    text = (tmp_path / "params.yaml").read_text()
    assert text == "ingest:\n  shots: 4  # a class\n  seed: 1\n  most: null\nbackbone:\n  name: embedded\n"
    assert workspace.parameters.sections["ingest"]["shots"] == 4


def test_a_folder_without_a_pipeline_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no workspace here"):
        Workspace.find(tmp_path)
