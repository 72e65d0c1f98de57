"""From settled photos to a live answer: in a warm watcher, in one that a Prefect server sees, and by event.

    python benchmarks/arrival.py WORKSPACE [--rounds 3] [--json]

WORKSPACE is a trained one with the embedded backbone; a copy of it is changed. Each round drops four drawn photos of a
colour into the inbox under a name that is new, and waits until a classifier that follows the pointer, as the service
does, has answered a photo with the version that has the class, which is then taken out again. The clock starts when the photos have settled: when the
last byte was written, and the rule's seconds later. A Prefect server is started for the last two and ended after.
Medians; processes are warm where the table says so. The steps come from the watcher's own lines, and by event from the
server's records of the flow run and its tasks. The last row is why a watcher without a server runs no flow: what an
empty one costs on Prefect's temporary server, the first time in a process (it starts the server) and after.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from flow_overhead import BIN, server
from PIL import Image

from components.inbox import InboxSettings
from components.live.opening import LiveWorkspace
from components.serving.answers import PhotoClassifier
from components.workspace import Workspace

HUE = 128  # a colour that the workspace's classes do not have


def main() -> None:
    os.environ["PREFECT_API_URL"] = ""  # processes are told of the server that is started here
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="medians in seconds, as one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(Path(shutil.copytree(arguments.workspace, Path(scratch) / "workspace", symlinks=True)))
        rows = {}
        with place.running("watch") as log:
            rows["warm watcher"] = [place.arrival(log) for _ in range(arguments.rounds)]
        with server() as api:
            with place.running("watch", api=api) as log:
                rows["warm watcher, seen by a server"] = [place.arrival(log) for _ in range(arguments.rounds)]
            with place.running("listen", api=api), place.running("watch", "--announce", api=api) as log:
                rows["by event"] = [place.arrival(log, api) for _ in range(arguments.rounds)]
    first, after = temporary_server()
    medians = {
        name: {step: median(arrival[step] for arrival in arrivals) for step in arrivals[0]}
        for name, arrivals in rows.items()
    }
    medians["an empty flow on a temporary server"] = {"all": first, "the next": after}
    if arguments.json:
        print(json.dumps(medians))
        return
    for name, steps in medians.items():
        told = ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items() if step != "all")
        print(f"| {name} | {steps['all']:.1f} | {told} |")


class Place:
    """A workspace, its inbox, and a classifier that follows what is live there."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.inbox = root.parent / "inbox"
        self.inbox.mkdir()
        self._classifier = PhotoClassifier.load(self.workspace.models)
        self._settle_s = self.workspace.parameters.section("inbox", InboxSettings).settle_s
        self._live = LiveWorkspace(self.workspace)
        self._number = 0

    @contextmanager
    def running(self, command: str, *options: str, api: str = "") -> Iterator[Path]:
        """`shotline COMMAND INBOX`, ready; its log."""
        log = self.inbox.with_name(f"{command}-{time.monotonic_ns()}.log")
        with log.open("w") as file:
            process = subprocess.Popen(
                [str(BIN / "shotline"), command, str(self.inbox), *options],
                cwd=self.workspace.root,
                env={**os.environ, "PREFECT_API_URL": api, "PREFECT_LOGGING_LEVEL": "WARNING"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(lambda: re.search(r"(watching|listening at) ", log.read_text()), 120)
            if command == "listen":
                wait_for(lambda: ask(api, "deployments/filter"), 60)
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def arrival(self, log: Path, api: str = "") -> dict[str, float]:
        """Seconds of one arrival, altogether and step by step."""
        self._number += 1
        name = f"teal {self._number}"
        folder = self.inbox.with_name("drawn") / name
        folder.mkdir(parents=True)
        for photo in range(5):
            draw(folder / f"{photo}.jpg", 1000 * self._number + photo)
        query = (folder / "4.jpg").rename(folder.with_suffix(".jpg"))
        said = len(log.read_text())
        shutil.copytree(folder, self.inbox / name)
        settled = time.time() + self._settle_s

        def answered() -> bool:
            self._classifier.follow()
            return name in {each["class"] for each in self._classifier.classes()}

        wait_for(answered, 120)
        self._classifier.answer([query])
        done = time.time()
        self._live.changes.remove(name, self._live.stamp())
        if not api:
            wait_for(lambda: re.search(r"\d s \((.+)\)", log.read_text()[said:]), 30)
            (steps,) = re.findall(r"\d s \((.+)\)", log.read_text()[said:])
            return {
                "all": done - settled,
                **{step: float(seconds) for step, seconds in (part.split(" ") for part in steps.split(", "))},
            }
        runs = ask(api, "flow_runs/filter", sort="START_TIME_DESC", limit=1)
        start = at(runs[0]["start_time"])
        tasks = ask(api, "task_runs/filter", flow_runs={"id": {"any_": [runs[0]["id"]]}})
        return {
            "all": done - settled,
            "event to run": at(runs[0]["created"]) - settled,
            "run to flow": start - at(runs[0]["created"]),
            **{
                task["name"]: at(task["end_time"]) - at(task["start_time"])
                for task in sorted(tasks, key=lambda task: task["start_time"])
            },
        }


def temporary_server() -> tuple[float, float]:
    """Seconds that the flow costs around what it does, the first time and the next."""
    from components.live.outcome import Taken
    from flows.add_class import run_add_class

    def seconds() -> float:
        start = time.perf_counter()
        run_add_class(Path("inbox"), ["nothing"], Workspace(Path()), lambda run: Taken())
        return time.perf_counter() - start

    return seconds(), seconds()


def draw(path: Path, seed: int) -> None:
    """A coloured texture."""
    coarse = np.random.default_rng(seed).integers(0, 90, (6, 8, 3)).astype(np.uint8)
    texture = np.asarray(Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)).astype(np.int16)
    colour = np.asarray(Image.new("HSV", (1, 1), (HUE, 200, 160)).convert("RGB"))[0, 0].astype(np.int16)
    Image.fromarray(np.clip(texture + colour - 40, 0, 255).astype(np.uint8)).save(path, quality=90)


def wait_for(condition: Any, seconds: float) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {seconds:.0f} s")
        time.sleep(0.05)


def ask(api: str, path: str, **wanted: Any) -> Any:
    """What the server has on record."""
    request = urllib.request.Request(
        f"{api}/{path}", json.dumps(wanted).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def at(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    main()
