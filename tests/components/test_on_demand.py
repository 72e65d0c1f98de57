"""Rooms export what they name, and asking them for settings loads no model."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import components

ROOMS = sorted(
    f"components.{path.parent.name}"
    for path in Path(components.__file__).parent.glob("*/__init__.py")
    if "on_demand(__name__)" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("room", ROOMS)
def test_everything_that_a_room_names_can_be_had_from_it(room: str) -> None:
    module = importlib.import_module(room)
    for name in module.__all__:
        assert not isinstance(getattr(module, name), type(sys)), f"{room}.{name} is a module"


def test_an_export_goes_before_the_module_of_its_name() -> None:
    importlib.import_module("components.bank.replay")
    room = importlib.import_module("components.bank")
    assert callable(room.replay)
    with pytest.raises(AttributeError, match="no attribute 'rewind'"):
        room.rewind  # noqa: B018


def test_the_heads_are_called_what_their_names_say() -> None:
    from components.classifier import ClassifierSettings
    from components.heads import HEADS
    from components.heads.names import HEAD_NAMES
    from components.ldc import LdcHead

    assert tuple(HEADS) == HEAD_NAMES
    assert ClassifierSettings().heads == (*HEAD_NAMES, LdcHead.name)


def test_settings_are_checked_without_a_model(tmp_path: Path) -> None:
    # In a process of its own: this one has loaded everything.
    code = (
        "import sys; from pathlib import Path; from components.stages import check_parameters;"
        "from components.workspace import Workspace; check_parameters(Workspace(Path(sys.argv[1])));"
        "print(*sorted({'torch', 'scipy', 'pyarrow', 'pandas', 'feast', 'great_expectations'} & set(sys.modules)))"
    )
    (tmp_path / "params.yaml").write_text("classifier: {heads: [zero_shot, ldc]}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == ""
