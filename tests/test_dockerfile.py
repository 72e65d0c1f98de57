"""The Dockerfile says what the lock, the Makefile and the command say. It is not built here."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib

from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
STEPS = [
    (line.partition(" ")[0], line.partition(" ")[2])
    for line in re.sub(r"\\\n\s*", "", TEXT).splitlines()
    if line and not line.startswith("#")
]


def of(instruction: str) -> list[str]:
    return [rest for name, rest in STEPS if name == instruction]


def test_its_base_is_the_python_that_shotline_asks_for() -> None:
    (base,) = of("FROM")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.12"
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base)


def test_it_installs_what_is_locked_as_the_makefile_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    for name in ("uv", "torch"):
        (version,) = set(re.findall(rf"\b{name}==([\d.]+)", TEXT))
        assert f"{name}=={version}" in makefile
        assert re.search(rf"(?m)^{name}=={re.escape(version)}\b", lock)


def test_what_it_copies_is_let_in_and_is_there_or_was_built() -> None:
    let_in = [
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    copied = [rest.split()[0] for rest in of("COPY")]
    assert copied == let_in
    assert fnmatch.fnmatch("dist/shotline-0.1.0-py3-none-any.whl", copied[1])
    assert (REPOSITORY / copied[0]).is_file()


def test_it_serves_as_a_user_without_rights() -> None:
    assert of("USER") == ["1000"]
    assert [json.loads(rest) for rest in of("ENTRYPOINT")] == [["shotline"]]
    assert [json.loads(rest) for rest in of("CMD")] == [["serve", "--host", "0.0.0.0"]]
    assert of("EXPOSE") == ["3000"]
