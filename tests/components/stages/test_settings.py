import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import yaml

from components.errors import UserInputError
from components.stages import check_parameters, run_stage
from components.stages.settings import SECTIONS
from components.workspace import Workspace
from tests.conftest import REPOSITORY


def workspace(tmp_path: Path, text: str) -> Workspace:
    (tmp_path / "params.yaml").write_text(text)
    return Workspace(tmp_path)


def test_the_parameters_that_the_repository_ships_are_good(tmp_path: Path) -> None:
    check_parameters(workspace(tmp_path, (REPOSITORY / "params.yaml").read_text()))


def test_every_parameter_is_spelled_out_with_its_default() -> None:
    """So that `dvc exp run -S`, `exp show` and `params diff` know it; `classifier.heads` grows by itself."""
    written = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    defaults = {name: dataclasses.asdict(settings()) for name, settings in SECTIONS.items()}
    del defaults["classifier"]["heads"]

    assert written == json.loads(json.dumps(defaults))


def test_a_stage_by_itself_refuses_a_section_that_nobody_reads(tmp_path: Path) -> None:
    class Silent:
        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    shutil.copy(REPOSITORY / "versions.yaml", tmp_path)
    with pytest.raises(UserInputError, match="'gaet' is unknown"):
        run_stage("ingest", workspace(tmp_path, "gaet: {most_drop_one: 0}"), Silent())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("features: {views: -1}", "views is -1"),
        ("features: {templates: []}", "templates is"),
        ('features: {templates: ["a photo of a {name}."]}', "must hold {} once"),
        ('features: {templates: ["a photo"]}', "must hold {} once"),
        ('features: {templates: ["a {"]}', "must hold {} once"),
        ("features: {cache_limit_gb: 0}", "cache_limit_gb is 0"),
        ("backbone: {name: /somewhere/mine}", "outside the workspace"),
        ("backbone: {precision: int8}", "precision is 'int8'"),
        ("classifier: {heads: [map_rl]}", 'there is no head "map_rl"'),
        ("classifier: {heads: []}", "heads is"),
        ("ldc: {fusion: mean}", "fusion is 'mean'"),
        ("ldc: {epochs: 0}", "epochs is 0"),
        ("liteembed: {most_drop_one: 0.01}", r"most_drop_one.*value 0.01.*is gate.most_drop_one now"),
        ("liteembed: {most_drop_many: 0.1}", r"most_drop_many.*is gate.most_drop_many now"),
        ("liteembed: {embedding: {stifness: [1.0]}}", 'unknown parameter "stifness"'),
        ("liteembed: {embedding: {n_coarse: -1}}", "n_coarse is -1"),
        ("liteembed: {token: 3}", "token is 3"),
        ("validate: {max_blur: 2}", "max_blur is 2"),
        ("ingest: {shots: four}", "shots is 'four'"),
    ],
)
def test_what_any_stage_would_refuse_is_refused_at_once(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserInputError, match=told):
        check_parameters(workspace(tmp_path, text))
