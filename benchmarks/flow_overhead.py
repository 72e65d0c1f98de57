"""What Prefect costs: `shotline train` with and without a server against `--plain`, on a workspace that is up to date.

    python benchmarks/flow_overhead.py WORKSPACE [--rounds 3] [--json]

Whole processes are timed, in turn; medians are compared. A server is started for the middle row and ended after. The
empty flow is one with no task, in a process of its own with Prefect's temporary server.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent
EMPTY_FLOW = """
import components
from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

@flow
def empty():
    return None

with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
    empty()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="medians in seconds, as one JSON object")
    arguments = parser.parse_args()
    shotline = [str(BIN / "shotline"), "train"]

    def seconds(command: list[str], api: str = "") -> float:
        environment = {**os.environ, "PREFECT_API_URL": api}
        if not api:
            del environment["PREFECT_API_URL"]
        start = time.perf_counter()
        subprocess.run(command, cwd=arguments.workspace, env=environment, check=True, capture_output=True)
        return time.perf_counter() - start

    rows: dict[str, list[float]] = {"plain": [], "with a server": [], "temporary server": [], "empty flow": []}
    with server() as api:
        seconds([*shotline, "--plain"])
        for _ in range(arguments.rounds):
            rows["plain"].append(seconds([*shotline, "--plain"]))
            rows["with a server"].append(seconds(shotline, api))
            rows["temporary server"].append(seconds(shotline))
            rows["empty flow"].append(seconds([sys.executable, "-c", EMPTY_FLOW]))
    medians = {name: statistics.median(times) for name, times in rows.items()}
    if arguments.json:
        print(json.dumps({name.replace(" ", "_"): median for name, median in medians.items()}))
        return
    for name, median in medians.items():
        print(f"{name:17s} {median:6.1f} s")
    print(f"a server costs {medians['with a server'] - medians['plain']:.1f} s more than --plain (bar: 2)")
    own = medians["temporary server"] - medians["plain"]
    print(f"the temporary server costs {own:.1f} s more (bar: {1.2 * medians['empty flow'] + 2:.1f})")


@contextmanager
def server() -> Iterator[str]:
    """A Prefect server on a free port; its API's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
