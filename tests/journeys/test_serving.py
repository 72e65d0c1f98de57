"""The Bento answers as `classify` does, from a folder where nothing else of the project is."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.workspace import Workspace
from tests.journeys.conftest import Run


class Service:
    """A running service, spoken to over HTTP."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask(urllib.request.Request(self.base + path))

    def post_photos(self, photos: Sequence[tuple[str, bytes]], field: str = "images") -> tuple[int, Any]:
        border = uuid.uuid4().hex
        body = b"".join(
            f'--{border}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\n".encode()
            + content
            + b"\r\n"
            for name, content in photos
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
        return self._ask(
            urllib.request.Request(f"{self.base}/classify", body + f"--{border}--\r\n".encode(), headers, method="POST")
        )

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                content, status = response.read(), response.status
        except urllib.error.HTTPError as error:
            content, status = error.read(), error.code
            error.close()
        return status, json.loads(content) if content.strip() else None


@contextmanager
def serving(bento: Path, folder: Path, programs: Path) -> Iterator[Service]:
    """The Bento, served from its own folder by the `bentoml` in `programs`, with fp32 arithmetic."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "BENTOML_HOME": str(folder / "home"),
        "SHOTLINE_PRECISION": "fp32",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    log_path = folder / "log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [programs / "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", str(port)],
            cwd=bento,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            running = Service(port)
            deadline = time.monotonic() + 120
            while not _answers(running):
                assert process.poll() is None, log_path.read_text()
                assert time.monotonic() < deadline, log_path.read_text()
                time.sleep(0.2)
            yield running
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _answers(service: Service) -> bool:
    try:
        return service.get("/classes")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The Bento of `trained`, copied to an empty folder and served from there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(trained / "models/bento", folder / "bento")
    with serving(folder / "bento", folder, Path(sys.executable).parent) as running:
        yield running


@pytest.fixture(scope="module")
def photos(photo_folder: Path) -> list[Path]:
    return sorted((photo_folder / "train").rglob("*.jpg"))[:32]


@pytest.fixture(scope="module")
def classified(
    trained: Path, photos: list[Path], run_command: Run, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What `shotline classify` says, with fp32 arithmetic."""
    workspace = Path(shutil.copytree(trained, tmp_path_factory.mktemp("fp32") / "workspace", symlinks=True))
    Workspace.find(workspace).set_parameters({"backbone.precision": "fp32"})
    lines = run_command("shotline", "classify", "--json", *photos, cwd=workspace).stdout
    return [json.loads(line) for line in lines.splitlines()]


def assert_same_answers(service: Service, photos: list[Path], expected: list[dict[str, Any]]) -> None:
    """Served together, the photos get the answers that `classify` gave, to 1e-5."""
    status, answers = service.post_photos([(path.name, path.read_bytes()) for path in photos])

    assert status == 200
    for answer, other in zip(answers, expected, strict=True):
        served = {ranked["class"]: ranked["probability"] for ranked in answer["top"]}
        assert served == pytest.approx({ranked["class"]: ranked["probability"] for ranked in other["top"]}, abs=1e-5)
        assert (answer["abstained"], answer["bank"]) == (other["abstained"], other["bank"])


@pytest.mark.parametrize("size", [1, 2, 32])
def test_answers_equal_those_of_classify(
    service: Service, photos: list[Path], classified: list[dict[str, Any]], size: int
) -> None:
    assert_same_answers(service, photos[:size], classified[:size])


@pytest.mark.soak
def test_the_bento_serves_in_an_environment_of_its_own(
    trained: Path, photos: list[Path], classified: list[dict[str, Any]], tmp_path: Path
) -> None:
    bento = Path(shutil.copytree(trained / "models/bento", tmp_path / "bento"))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv/bin"
    torch = f"torch=={importlib.metadata.version('torch').partition('+')[0]}"
    subprocess.run([programs / "pip", "install", "--quiet", torch, "uv"], check=True, timeout=900)
    requirements = bento / "env/python/requirements.txt"
    install = [programs / "uv", "pip", "install", "--quiet", "--python", programs / "python", "-r", requirements]
    subprocess.run(install, check=True, timeout=900)

    with serving(bento, tmp_path, programs) as running:
        assert_same_answers(running, photos, classified)


def test_the_classes_are_told(service: Service) -> None:
    status, classes = service.get("/classes")

    assert status == 200
    assert [row["class"] for row in classes] == ["amber", "blue", "green", "red", "violet"]


def test_one_bad_photo_among_good_ones_spoils_none(service: Service, photos: list[Path]) -> None:
    good = photos[0].read_bytes()
    status, answers = service.post_photos([("a.jpg", good), ("b.jpg", good[:200]), ("c.jpg", good)])

    assert status == 200
    assert answers[1]["error"].keys() == {"code", "message", "remedy"}
    assert answers[0]["top"] == answers[2]["top"]


@pytest.mark.parametrize(
    ("photos_sent", "field", "status", "code"),
    [
        ([("a.jpg", b"")], "images", 422, "zero_byte"),
        ([("a.txt", b"hello there, no photo")], "images", 422, "not_an_image"),
        ([("a.jpg", b"x")], "photos", 400, "no_images"),
        ([("a.jpg", b"x")] * 65, "images", 400, "bad_request"),
    ],
)
def test_errors_have_our_form(
    service: Service, photos_sent: list[tuple[str, bytes]], field: str, status: int, code: str
) -> None:
    given, error = service.post_photos(photos_sent, field)

    assert (given, error["code"]) == (status, code)
    assert error.keys() == {"code", "message", "remedy"}


def test_what_is_not_there_has_our_form_too(service: Service) -> None:
    assert service.get("/nothing")[0] == 404
    assert service.get("/nothing")[1].keys() == {"code", "message", "remedy"}
    status, error = service.get("/classify")
    assert (status, error["code"]) == (405, "method_not_allowed")
