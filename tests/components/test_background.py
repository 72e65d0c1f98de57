"""A process of its own gives way to others, and goes on when what started it is interrupted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from components.background import start_in_background


@pytest.mark.parametrize("detached", [True, False])
def test_it_runs_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detached: bool) -> None:
    monkeypatch.setenv("SHOTLINE_ADMIN_TOKEN", "secret")
    told = "import os, time; print(os.getcwd(), os.environ.get('SHOTLINE_ADMIN_TOKEN'), os.getsid(0) == os.getpid())"
    process = start_in_background(
        [sys.executable, "-c", f"{told}; input()"], folder=tmp_path, log=tmp_path / "log", detached=detached
    )

    assert process.wait(30) == 1  # it has no standard input to read from
    assert (tmp_path / "log").read_text().splitlines()[0] == f"{tmp_path} None {detached}"


def test_it_gives_way(tmp_path: Path) -> None:
    process = start_in_background(["sleep", "60"], folder=tmp_path)
    try:
        assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, os.getpid())
    finally:
        process.kill()
        process.wait()
