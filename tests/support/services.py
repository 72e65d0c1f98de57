"""A Bento served in a process of its own, and what it is asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil


class Service:
    """A running service, spoken to over HTTP."""

    def __init__(self, port: int, process: int, log: Path = Path(os.devnull)) -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        self.process = process
        self._log = log

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask(urllib.request.Request(self.base + path))

    def post_photos(
        self,
        photos: Sequence[tuple[str, bytes]],
        field: str = "images",
        *,
        path: str = "/classify",
        texts: Sequence[tuple[str, str]] = (),
    ) -> tuple[int, Any]:
        border = uuid.uuid4().hex
        body = b"".join(
            f'--{border}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\n".encode()
            + content
            + b"\r\n"
            for name, content in photos
        )
        body += b"".join(
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
            for name, text in texts
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
        return self._ask(
            urllib.request.Request(f"{self.base}{path}", body + f"--{border}--\r\n".encode(), headers, method="POST")
        )

    def batches(self) -> tuple[int, int]:
        """How many photos the classifier has answered so far, and in how many batches."""
        with urllib.request.urlopen(f"{self.base}/metrics", timeout=60) as response:
            metrics = response.read().decode()
        found = dict(re.findall(r"^shotline_batch_photos_(sum|count) (\S+)$", metrics, re.M))
        return int(float(found.get("sum", 0))), int(float(found.get("count", 0)))

    def classifier_process(self) -> psutil.Process:
        """The process behind the edge, which holds the model."""
        for process in psutil.Process(self.process).children(recursive=True):
            command = process.cmdline()
            if "--service-name" in command and command[command.index("--service-name") + 1] == "classifier":
                return process
        raise AssertionError("the classifier has no process")

    def log(self) -> str:
        """What the service has written so far."""
        return self._log.read_text()

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                content, status = response.read(), response.status
        except urllib.error.HTTPError as error:
            content, status = error.read(), error.code
            error.close()
        return status, json.loads(content) if content.strip() and content != b"ok\n" else None


@contextmanager
def serving(bento: Path, folder: Path, programs: Path, variables: Mapping[str, str] | None = None) -> Iterator[Service]:
    """The Bento, as `starting` serves it, once it answers."""
    with starting(bento, folder, programs, variables) as (running, process):
        deadline = time.monotonic() + 120
        while not _answers(running):
            assert process.poll() is None, running.log()
            assert time.monotonic() < deadline, running.log()
            time.sleep(0.2)
        yield running


@contextmanager
def starting(
    bento: Path, folder: Path, programs: Path, variables: Mapping[str, str] | None = None
) -> Iterator[tuple[Service, subprocess.Popen[bytes]]]:
    """The Bento, served from its own folder by the `bentoml` in `programs`, with fp32 arithmetic; and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "BENTOML_HOME": str(folder / "home"),
        "SHOTLINE_PRECISION": "fp32",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        **(variables or {}),
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
            yield Service(port, process.pid, log_path), process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=30)


def _answers(service: Service) -> bool:
    try:
        return service.get("/classes")[0] == 200
    except OSError:
        return False
