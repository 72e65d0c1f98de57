"""A server ends soon after it is told to, whatever still hangs; without this it waits for that."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

SERVER = """
import asyncio, sys, time, uvicorn
from components.serving.ending import EndsInTime

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if "loads" in sys.argv:
            print("loads", flush=True)
            while True:
                time.sleep(0.01)  # as a model that loads, it leaves the event loop no turn
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        print("asked", flush=True)
        await asyncio.Event().wait()

with __import__("socket").socket() as listener:
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(EndsInTime(app), log_config=None)).run(sockets=[listener])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("hangs", ["loads", "asked"])
def test_a_server_ends_in_time(number: signal.Signals, hangs: str, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    command = [sys.executable, str(script), hangs]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server,
        ExitStack() as stack,
    ):
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            if hangs == "asked":
                client = stack.enter_context(_until(lambda: socket.create_connection(("127.0.0.1", port))))
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert server.stdout.readline().strip() == hangs
            server.send_signal(number)
            _, told = server.communicate(timeout=5)
        finally:
            server.kill()
    assert "Traceback" not in told


def _until(connect: Callable[[], socket.socket]) -> socket.socket:
    """The connection, once the server listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
