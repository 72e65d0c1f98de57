"""What `flows/dvc.py` uses of DVC's inside is there, in the release that is locked, with the parameters that it gives."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable
from typing import Any

import dvc.api
import pytest
from dvc.config import Config
from dvc.repo import Repo
from dvc.repo.scm_context import SCMContext
from dvc.repo.stage import StageLoad
from dvc.rwlock import rwlock
from dvc.stage import PipelineStage
from dvc.stage.cache import StageCache
from dvc.stage.run import prepare_kwargs

from tests.conftest import REPOSITORY

SOURCE = (REPOSITORY / "flows/dvc.py").read_text()

CALLED: list[tuple[Callable[..., Any], str, tuple[str, ...]]] = [
    (Config, "Config", ("dvc_dir",)),
    (PipelineStage.changed, "changed", ()),
    (PipelineStage.changed_stage, "changed_stage", ()),
    (PipelineStage.commit, "commit", ()),
    (PipelineStage.dump, "dump", ("kwargs",)),
    (PipelineStage.remove_outs, "remove_outs", ("ignore_remove", "force")),
    (PipelineStage.save, "save", ("run_cache",)),
    (PipelineStage.save_deps, "save_deps", ()),
    (Repo.__init__, "Repo", ("config",)),
    (Repo._reset, "_reset", ()),
    (SCMContext.__call__, "scm_context", ("quiet",)),
    (StageCache.restore, "restore", ("stage",)),
    (StageCache.save, "save", ("stage",)),
    (StageLoad.collect, "collect", ("target",)),
    (dvc.api.read, "read", ("path", "repo", "rev", "encoding")),
    (prepare_kwargs, "prepare_kwargs", ("stage", "run_env")),
    (rwlock, "rwlock", ("tmp_dir", "fs", "cmd", "read", "write", "hardlink")),
]
"""What it calls, by what name, with which parameters."""


def test_the_release_is_the_one_that_is_locked() -> None:
    (locked,) = re.findall(r"(?m)^dvc==(\S+)", (REPOSITORY / "requirements.lock").read_text())
    assert importlib.metadata.version("dvc") == locked


@pytest.mark.parametrize(("called", "name", "given"), CALLED, ids=[name for _, name, _ in CALLED])
def test_what_is_called_takes_what_it_is_given(called: Callable[..., Any], name: str, given: tuple[str, ...]) -> None:
    assert {*given} <= {*inspect.signature(called).parameters}
    assert f"{name}(" in SOURCE


def test_every_name_that_is_imported_is_there() -> None:
    imported = [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in ("dvc", "scmrepo")
        for alias in node.names
    ]
    assert len(imported) > 10
    for module, name in imported:
        assert hasattr(importlib.import_module(str(module)), name), f"{module}.{name}"
