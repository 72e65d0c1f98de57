"""`shotline serve` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

CHANGE_MS = 120_000


TOKEN = "an-admin-token-of-enough-letters"


class serving:  # noqa: N801 (a context manager)
    """`shotline serve` of a workspace, from its first answer on; it is told to stop by Ctrl-C."""

    def __init__(
        self,
        workspace: Path,
        folder: Path,
        *options: str,
        programs: Path = Path(sys.executable).parent,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._workspace, self._log, self._options = workspace, folder / "log", options
        self._program, self._environment = programs / "shotline", environment

    def __enter__(self) -> tuple[str, Path]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(self._program), "serve", "--port", str(port), *self._options]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._workspace,
                env={**self._environment, "SHOTLINE_ADMIN_TOKEN": TOKEN},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        base, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{base}/livez", timeout=5).raise_for_status()
                return base, self._log
            except httpx.HTTPError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.2)

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise
