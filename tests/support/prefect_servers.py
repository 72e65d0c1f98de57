"""Prefect servers of their own, in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed


@contextmanager
def prefect_server(folder: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real Prefect server that keeps its database in `folder`; the address of its API, and its process."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": "",
        "PREFECT_SERVER_UI_ENABLED": "false",  # nobody looks at it, and a new home gets a copy of it
    }
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    api = f"http://127.0.0.1:{port}/api"

    @retry(retry=retry_if_exception_type(OSError), wait=wait_fixed(0.2), stop=stop_after_delay(120), reraise=True)
    def until_it_answers() -> None:
        urllib.request.urlopen(f"{api}/health", timeout=2).close()

    try:
        until_it_answers()
        yield api, process
    finally:
        process.terminate()
        process.wait(30)
