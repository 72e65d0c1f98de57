"""A signal ends a command within seconds, with one line, whatever the command is doing."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.conftest import REPOSITORY

SCRIPT = """
import os, signal, subprocess, sys, threading, time
from flows.stopping import before_the_end, stoppable

def ready():
    print("ready", flush=True)

def waits():
    ready()
    threading.Event().wait()

def swallows():
    ready()
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            pass

def told_at_the_end():
    with before_the_end(lambda: print("told", flush=True)):
        swallows()

def turns_it_into_an_error():
    try:
        waits()
    except BaseException:
        raise ValueError("library") from None

def has_a_thread_that_goes_on():
    threading.Thread(target=threading.Event().wait).start()
    waits()

def has_a_child():
    child = subprocess.Popen(["sleep", "300"])
    print(child.pid, flush=True)
    threading.Event().wait()

def prints_from_a_thread():
    def noise():
        while True:
            print("noise", file=sys.stderr, flush=True)
            time.sleep(0.001)
    threading.Thread(target=noise, daemon=True).start()
    waits()

def takes_the_signal_itself():  # as Prefect and the watcher do
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ready()
    stop.wait()

def ends_well():
    print("ended", flush=True)

with stoppable([sys.argv[2]]):
    globals()[sys.argv[1]]()
"""


Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that does something of `SCRIPT` for a command; with the first line that it prints."""
    with contextlib.ExitStack() as ends:

        def begin(
            kind: str, command: str = "train", stderr: int = subprocess.PIPE
        ) -> tuple[subprocess.Popen[str], str]:
            process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, kind, command],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
            ends.enter_context(process)
            ends.callback(process.kill)
            assert process.stdout is not None
            return process, process.stdout.readline().strip()

        yield begin


KINDS = (
    "waits",
    "turns_it_into_an_error",
    "takes_the_signal_itself",
    "prints_from_a_thread",
    "has_a_child",
    "swallows",
    "told_at_the_end",
    "has_a_thread_that_goes_on",
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_ends_with_one_line_and_the_signals_exit_code(start: Start, number: signal.Signals) -> None:
    processes = {kind: start(kind) for kind in KINDS}
    sent = time.monotonic()
    for process, _ in processes.values():
        process.send_signal(number)

    for kind, (process, first) in processes.items():
        printed, said = process.communicate(timeout=20)
        assert process.returncode == 128 + number, kind
        lines = [line for line in said.splitlines() if line != "noise"]
        assert len(lines) == 1, (kind, said)
        assert lines[0].startswith("stopped: what is live stays as it was"), kind
        assert said.endswith(f"{lines[0]}\n"), kind
        assert ("told" in printed) is (kind == "told_at_the_end"), kind
        if kind == "has_a_child":
            # Whoever adopts it may leave its entry there.
            assert not psutil.pid_exists(int(first)) or psutil.Process(int(first)).status() == psutil.STATUS_ZOMBIE
    assert time.monotonic() - sent < 5 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))


def test_a_second_signal_ends_it_at_once_but_not_the_firsts_echo(start: Start) -> None:
    process, _ = start("swallows")
    process.send_signal(signal.SIGINT)
    time.sleep(1.2)  # what comes sooner is the same signal, sent to the process and to its group
    second = time.monotonic()
    process.send_signal(signal.SIGINT)

    assert "stopped: " in process.communicate(timeout=20)[1]
    assert time.monotonic() - second < 1


@pytest.mark.parametrize("command", ["watch", "listen"])
def test_what_runs_until_it_is_stopped_ends_well(start: Start, command: str) -> None:
    process, _ = start("takes_the_signal_itself", command)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1].count("stopped: ") == 1
    assert process.returncode == 0


def test_a_command_that_no_signal_meets_ends_as_ever(start: Start) -> None:
    process, first = start("ends_well")
    assert (first, process.communicate(timeout=20), process.returncode) == ("ended", ("", ""), 0)


def test_in_a_terminal_the_half_drawn_line_goes_and_the_cursor_comes_back(start: Start) -> None:
    ours, theirs = pty.openpty()
    process, _ = start("waits", stderr=theirs)
    os.write(theirs, b"\x1b[?25l photos copied ---")
    process.send_signal(signal.SIGINT)
    process.wait(20)
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert said.startswith("\x1b[?25l photos copied ---\r\x1b[2K\x1b[?25hstopped: ")
    assert said.endswith("\r\n")


def test_nothing_heavy_is_imported_before_signals_are_heard() -> None:
    asked = "import sys, flows.cli; print(sorted({'typer', 'rich', 'torch', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
