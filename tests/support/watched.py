"""`shotline watch` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def watching(workspace: Path, inbox: Path, *options: str, api: str = "", command: str = "watch") -> Iterator[Path]:
    """`shotline watch INBOX`, warm; its log. Ends as a service manager ends it, and must end well."""
    log = inbox.with_name(f"{command}{''.join(options)}.log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("shotline")), command, str(inbox), *options],
            cwd=workspace,
            env={**os.environ, "PREFECT_API_URL": api, "PREFECT_HOME": str(inbox.with_name("prefect"))},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: "Ctrl-C ends it" in log.read_text() or "announcing" in log.read_text(), log, process)
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
        if command == "watch":
            assert "stopped" in log.read_text()
    finally:
        process.kill()
        process.wait()


def wait_for(
    holds: Callable[[], Any], log: Path, process: subprocess.Popen[bytes] | None = None, limit_s: float = 120
) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := holds()):
        assert process is None or process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found
