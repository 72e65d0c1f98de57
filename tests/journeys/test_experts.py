"""What the packages' own users type, in a workspace of ours: it works, and prints something that they can use.

`docs/experts.md` has the same commands, with what they print.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.support.stories import Run

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")

DVC = (
    ("dvc status", "up to date"),
    ("dvc repro", "Stage 'package' didn't change, skipping"),
    ("dvc dag", r"\| classifier \|"),
    ("dvc stage list", "(?s)^ingest .*package .*The Bento, with everything inside"),
    ("dvc data status", "No changes|DVC"),
    ("dvc ls . models", "bundle"),
    ("dvc metrics show", r"top1 +zero1"),
    ("dvc metrics diff HEAD", ""),
    ("dvc params diff HEAD", ""),
    ("dvc plots show", "index.html"),
    ("dvc plots show --json models/ldc/log.csv", "LDC's loss"),
    ("dvc artifacts get . bundle -o got", r"Downloaded \d+ file"),
    ("dvc get . models/bundle -o bundle", ""),
    ("gto show", "bundle"),
    ("dvc exp run -S ldc.epochs=3", "Ran experiment"),
    ("dvc exp show --no-pager --only-changed", r"ldc\.epochs"),
    ("dvc exp list", r"master|main"),
    ("dvc params diff HEAD", r"ldc\.epochs +4 +3"),
    ("dvc metrics diff HEAD", "ldc1|"),
    ("dvc exp run --queue -S ingest.shots=2,4 -S ingest.seed=1,2", "(?s)Queued.*Queued.*Queued.*Queued"),
    ("dvc queue status", "Queued"),
    ("dvc queue remove --all", ""),
    ("dvc gc -w -f", "cache"),
    ("dvc commit -f", ""),
)
BENTOML = (
    ("shotline package --store", "^shotline-classifier:[0-9a-f]{12}"),
    ("bentoml list", "shotline-classifier:"),
    ("bentoml get shotline-classifier:latest", "(?s)head: .*top1:"),
    ("bentoml export shotline-classifier:latest out.bento", "exported to"),
    ("bentoml delete shotline-classifier:latest --yes", "deleted"),
    ("bentoml import out.bento", "imported"),
)
FEAST = (
    ("feast -c data/feature_store feature-views list", "class_embeddings"),
    ("feast -c data/feature_store entities list", "image_view"),
    ("feast -c data/feature_store plan", "No changes|shotline"),
)
OTHERS = (
    ("prefect version", r"Version: +3\."),
    (
        'python -c "import great_expectations as gx, json; print(gx.ExpectationSuite(**json.load('
        "open('data/expectations.json'))).name)\"",
        "own",
    ),
    ("python -c \"import json; print(json.load(open('data/validate/verdict.json'))['passed'])\"", "True"),
    (
        'python -c "from safetensors.torch import load_file; '
        "print(load_file('models/bundle/text.safetensors')['text_embeddings'].shape)\"",
        "torch.Size",
    ),
    (
        'python -c "from components.backbone.open_clip_import import import_open_clip; '
        "print(import_open_clip().create_model('local-dir:models/embedded').logit_scale.exp())\"",
        "tensor",
    ),
    ("shotline backbones", "hf-hub:"),
)
PREFECT = (
    ("prefect deployment ls", "(?s)consolidate/.*train/"),
    ("prefect automation ls", "shotline"),
    ("prefect work-pool ls", "No work pools found"),
    ("prefect flow ls", "train"),
    ("prefect flow-run ls", "Flow Runs"),
    ("prefect artifact ls", "heads"),
)
"""Asked of a server at which `shotline deploy` serves; `docs/prefect.md` is told by `test_prefect_server.py`."""


@pytest.mark.soak
def test_commands_of_the_packages_work_in_a_workspace(copy_of_trained: Path, run_command: Run, tmp_path: Path) -> None:
    for arguments in (
        ("add", "--all"),
        ("commit", "--quiet", "-m", "trained"),
        ("tag", "-a", "bundle@v1.0.0", "-m", "1"),
    ):
        subprocess.run([*GIT, *arguments], cwd=copy_of_trained, check=True)
    env = {"COLUMNS": "100", "SHOTLINE_FEAST": str(copy_of_trained / "data/feature_store"), "PREFECT_API_URL": ""}
    env |= {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command, printed in (*DVC, *BENTOML, *FEAST, *OTHERS):
        if command == FEAST[0][0]:  # stories keep no online store; where it is kept, its first write applies the views
            apply = "from pathlib import Path; from components.store.repository import feature_store as f; f(Path(%r))"
            run_command("python", "-c", apply % env["SHOTLINE_FEAST"], cwd=copy_of_trained, env=env)
        done = run_command(*shlex.split(command), cwd=copy_of_trained, env=env, timeout_s=600)
        assert re.search(printed, done.stdout + done.stderr), f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_page_has_every_command_and_no_other() -> None:
    page = (REPOSITORY / "docs/experts.md").read_text()
    rows = dict(_rows(page))
    asked = [command for command, _ in (*DVC, *BENTOML, *FEAST, *OTHERS, *PREFECT)]

    assert {*asked} == {*rows}
    assert len(rows) >= 40
    assert all(now for now in rows.values())


def test_each_package_s_line_names_a_test_that_is_there() -> None:
    page = (REPOSITORY / "docs/experts.md").read_text()
    (section,) = re.findall(r"(?s)## What each package is for\n(.*?)(?:\n## |\Z)", page)
    tests = re.findall(r"`(tests/[\w/]+\.py)`", section)

    assert len(re.findall(r"(?m)^\| \*\*", section)) == 7
    assert len(tests) >= 7
    assert [each for each in tests if not (REPOSITORY / each).is_file()] == []


def _rows(page: str) -> Iterator[tuple[str, str]]:
    """Command, and what it prints now."""
    for line in page.splitlines():
        if found := re.match(r"\| `(.+?)` \| .*? \| (.*?) \|$", line):
            yield found[1], found[2]
