"""What commands load: looking at what is live, and mistakes that can be seen at once, wait for no model."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from tests.support.drawn_workspace import draw, run_stages, stand_in

HEAVY = ("torch", "scipy", "pyarrow", "pandas", "feast", "great_expectations", "prefect", "dvc", "ruamel")
_PROGRAM = f"""
import json, sys
from flows.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        print("exit", end.code, flush=True)
    heavy = {{name for name in {HEAVY!r} if name in sys.modules}}
    print("heavy", *heavy - ({{"dvc", "ruamel"}} if arguments[0] == "status" else set()), flush=True)
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With a bundle that is live, and an older version."""
    root = tmp_path_factory.mktemp("looked-at")
    workspace = draw(root)
    (root / "params.yaml").write_text("feature_store: {online: false}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch.setattr)
        for folder in (None, "shelf"):
            if folder:
                (workspace.raw / folder).mkdir()
            run_stages(workspace)
            live = LiveWorkspace.open(workspace)
            live.changes.adopt(workspace.bundle, live.stamp())
    return Workspace(root)


def told(workspace: Workspace, *commands: Sequence[str]) -> list[str]:
    """What each command prints, called one after another in a process that has loaded nothing heavy by then."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(commands)],
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=120,
    )
    *printed, _ = done.stdout.split("heavy\n")
    assert len(printed) == len(commands), f"a model was loaded: {done.stdout}"
    return printed


def test_looking_at_what_is_live_loads_no_model(workspace: Workspace) -> None:
    names = [version.name for version in LiveWorkspace(workspace).versions.all()]
    versions, classes, diff, status = told(workspace, ["versions"], ["classes"], ["diff", *names], ["status"])
    assert all(name in versions for name in names)
    assert "shelf  (trained" in classes
    assert "+ shelf  (trained" in diff
    assert f"{names[-1]}  6 trained classes" in status


def test_a_mistake_that_can_be_seen_at_once_is_told_without_a_model(workspace: Workspace) -> None:
    mistakes = {
        ("classify", "nowhere.jpg"): "there is no such file",
        ("classify", "--json", "nowhere.jpg"): '"error": "there is no such file',
        ("add-class", "tea", "nowhere.jpg"): "there is no such file",
        ("add-class", "a/b", "data"): "the name holds '/'",
        ("rollback", "xyz"): 'is called or begins with "xyz"',
        ("diff", "xyz", "xyz"): 'is called or begins with "xyz"',
        ("versions", "--workspace", "/"): "no workspace here",
        ("nonsense",): "No such command",
    }
    for printed, expected in zip(told(workspace, *mistakes), mistakes.values(), strict=True):
        assert expected in printed
        assert "exit 2" in printed


@pytest.mark.soak
def test_what_open_clip_never_uses_is_executed_when_it_is_asked_for(tmp_path: Path) -> None:
    code = """
import sys
from components.backbone.open_clip_import import import_open_clip
open_clip = import_open_clip()
print(*(name for name in ("timm.models", "torch._dynamo", "torchvision.ops.roi_align", "transformers") if name in sys.modules), "-")
import timm
print("vit_base_patch16_224" in timm.list_models("vit_base*"), "torch._dynamo" in sys.modules)
from torchvision.models import resnet18
print(resnet18.__name__, "timm.models" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines() == ["-", "True False", "resnet18 True"]
