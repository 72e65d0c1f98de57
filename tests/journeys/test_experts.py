"""What the packages' own users type, in a workspace of ours: it works, and prints something that they can use.

`docs/experts.md` has the same commands, with what they print.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.support.expert_commands import BENTOML, DVC, FEAST, OTHERS, PREFECT
from tests.support.stories import Run

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")


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
    wrong = []
    for command, printed in (*DVC, *BENTOML, *FEAST, *OTHERS):
        if command == FEAST[0][0]:  # stories keep no online store; where it is kept, its first write applies the views
            apply = "from pathlib import Path; from components.store.repository import feature_store as f; f(Path(%r))"
            run_command("python", "-c", apply % env["SHOTLINE_FEAST"], cwd=copy_of_trained, env=env)
        done = run_command(*shlex.split(command), cwd=copy_of_trained, env=env, timeout_s=600)
        sys.stdout.write(f"$ {command}\n{done.stdout}{done.stderr}\n")  # shown where one fails
        if not re.search(printed, done.stdout + done.stderr):
            wrong.append(command)
    assert wrong == []


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
            yield found[1].replace(r"\|", "|"), found[2]
