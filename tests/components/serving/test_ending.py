"""A server ends soon after it is told to, whatever still hangs; without this it waits for that."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
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
    elif scope["path"] == "/answered":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
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


def test_a_kept_connection_is_answered_once_more_and_then_closed(tmp_path: Path) -> None:
    """The client that sends just as the server ends would lose its request."""
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            with closing(HTTPConnection("127.0.0.1", port)) as client:
                client.sock = _until(lambda: socket.create_connection(("127.0.0.1", port)))
                told = []
                while told.count("close") == 0:  # the signal takes a moment to come
                    client.request("GET", "/answered")
                    answer = client.getresponse()
                    answer.read()
                    told.append(answer.getheader("connection"))
                    if len(told) == 1:
                        server.send_signal(signal.SIGTERM)
            assert told[0] is None
            server.wait(5)
        finally:
            server.kill()


def _until(connect: Callable[[], socket.socket]) -> socket.socket:
    """The connection, once the server listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
