"""Prefect's temporary server, begun while the command loads what else it needs.

Prefect starts such a server itself when a flow begins, and loads the server's own code into the flow's process first: ten
seconds in which nothing else happens. Here it starts at once and in a process of its own alone. It reads a pipe that only
the process that began it holds, so that it ends with that process, however that ends.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

__all__ = ["STARTUP_S", "begin_temporary_server", "is_own", "own_server", "temporary_server"]

# Prefect waits 20 seconds for its temporary server; a machine that is busy needs more.
STARTUP_S = 120
"""How long a temporary server may take to answer, in seconds."""

_begun: list[tuple[str, subprocess.Popen[bytes]]] = []  # at most one a process


def begin_temporary_server() -> None:
    """Start the server in the background where Prefect's settings name none, and return at once."""
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED, get_current_settings

    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value() or own_server():
        return
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    # What Prefect tells a temporary server of its own.
    temporary = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        process = subprocess.Popen(
            # -P: a folder named flows where the command runs is not taken for ours.
            [sys.executable, "-P", "-m", __name__, str(listening.fileno())],
            env={**os.environ, **temporary, **settings},
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _begun[:] = [(f"http://127.0.0.1:{listening.getsockname()[1]}/api", process)]


def own_server() -> str:
    """The address of the API of the server that this process began; empty if it began none, or it has ended."""
    return next((url for url, process in _begun if process.poll() is None), "")


def is_own(url: str) -> bool:
    """Whether that is the API of a server that this process began, even if it has ended since."""
    return any(url == each for each, _ in _begun)


def temporary_server() -> str:
    """As `own_server`, once it answers; one that does not within `STARTUP_S` is ended."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    end = time.monotonic() + STARTUP_S
    with temporary_settings({PREFECT_API_URL: own_server()}):
        while own_server():
            with get_client(sync_client=True) as client:
                if client.api_healthcheck() is None:
                    break
            if time.monotonic() > end:
                _begun.pop()[1].kill()
    return own_server()


def _serve(listening: int) -> None:
    """Serve Prefect's API on a socket that is open, until standard input ends."""
    import uvicorn

    threading.Thread(target=_end_with_input, daemon=True).start()
    server = uvicorn.Config("prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on")
    uvicorn.Server(server).run(sockets=[socket.socket(fileno=listening)])


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # its database survives this, and nobody waits for more


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
