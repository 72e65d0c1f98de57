"""Where each second of a whole `shotline train` goes, stage by stage and inside the stages that last.

    python benchmarks/train_profile.py [--classes 10] [--shots 16] [--test 10] [--json]

Draws photos, makes a workspace of this repository's pipeline and trains it once without Prefect, in a process of its
own, as a user would. Named pieces of work are timed inside that process: seconds by the clock, and processor seconds
of all threads together, which a busy machine stretches less. A piece that contains another is counted without it; what
no piece covers is the stage's rest.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.sample import CLASSES, draw_sample

REPOSITORY = Path(__file__).resolve().parents[1]
PIECES = {
    "components.ingest.manifest:ingest": "decode, hash, near-duplicates",
    "components.stages.features:load_workspace_backbone": "load the backbone",
    "components.features.photo_features:PhotoFeatures.encode": "decode and encode",
    "components.stages.rows:read_rows": "read features (Feast, cache)",
    "components.ldc.start:CrossFits.start": "MAP-LR's closed forms to start from",
    "components.ldc.training:Training.__init__": "fresh models",
    "components.ldc.training:Training.run": "trainings",
    "components.ldc.work:SupportTrainings.side_by_side": "trainings",
    "components.ldc.work:mix_of": "mixing outputs",
    "components.classifier.candidates:fit_candidate": "fitting and cross-fitting the other heads",
    "components.classifier.choice:choose": "the choice",
    "flows.dvc:Pipeline.track_sources": "DVC: hash and track the photos",
    "flows.dvc:_hashes": "DVC: hash what stages read",
}
"""Pieces of work that are timed; modules that import them by name are patched too."""


@dataclass
class Ledger:
    """Seconds by (stage, piece), each without the pieces inside it."""

    stage: str = "outside stages"
    clock: dict[tuple[str, str], float] = field(default_factory=dict)
    processor: dict[tuple[str, str], float] = field(default_factory=dict)
    inside: list[list[float]] = field(default_factory=list)

    @contextmanager
    def timed(self, piece: str) -> Iterator[None]:
        """Time a piece; only the main thread's, whose waiting for others is their work."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        start, worked = time.perf_counter(), time.process_time()
        self.inside.append([0.0, 0.0])
        try:
            yield
        finally:
            clock, processor = time.perf_counter() - start, time.process_time() - worked
            within = self.inside.pop()
            key = (self.stage, piece)
            self.clock[key] = self.clock.get(key, 0.0) + clock - within[0]
            self.processor[key] = self.processor.get(key, 0.0) + processor - within[1]
            if self.inside:
                self.inside[-1][0] += clock
                self.inside[-1][1] += processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--test", type=int, default=10, help="test photos a class")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        train(arguments.inside)
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace, photos = Path(folder) / "workspace", Path(folder) / "photos"
        draw_sample(
            photos,
            classes=CLASSES[: arguments.classes],
            photos_per_class={"train": arguments.shots, "test": arguments.test},
        )
        make_workspace(workspace)
        start = time.perf_counter()
        subprocess.run([sys.executable, __file__, "--inside", str(workspace), "--json"], check=True, cwd=workspace)
        rows = json.loads((workspace / "profile.json").read_text())
        rows.append(
            ["outside stages", "Python, end of process", time.perf_counter() - start - sum(r[2] for r in rows), 0]
        )
    if arguments.json:
        print(json.dumps(rows))
    else:
        print_table(rows)


def train(workspace: Path) -> None:
    """`shotline train PHOTOS --shots K --plain`, with the pieces timed."""
    ledger = Ledger()
    with ledger.timed("imports"):
        import components.stages  # noqa: F401
        from components.stages.run import STAGES
        from flows import cli, pipeline

        for name in STAGES:
            importlib.import_module(f"components.stages.{name}")
    for place, piece in PIECES.items():
        patch(place, lambda work, piece=piece: within(ledger, piece, work))
    real = pipeline.run_stage

    def run_stage(name: str, *arguments: Any) -> Any:
        before, ledger.stage = ledger.stage, name
        try:
            with ledger.timed("the rest"):
                return real(name, *arguments)
        finally:
            ledger.stage = before

    pipeline.run_stage = run_stage
    with ledger.timed("DVC and the rest"):
        try:
            cli.build()(["train", str(workspace.parent / "photos"), "--plain"], standalone_mode=False)
        finally:
            rows = [[*key, seconds, ledger.processor[key]] for key, seconds in ledger.clock.items()]
    rows = [[*key, seconds, ledger.processor[key]] for key, seconds in ledger.clock.items()]
    (workspace / "profile.json").write_text(json.dumps(rows))


def within(ledger: Ledger, piece: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def timed(*arguments: Any, **named: Any) -> Any:
        with ledger.timed(piece):
            return work(*arguments, **named)

    return timed


def patch(place: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put a wrapped function or method in place of `module:name` and of every name that it was imported by."""
    module, _, name = place.partition(":")
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, last)
    new = wrapped(original)
    setattr(owner, last, new)
    for other in list(sys.modules.values()):
        if other is not owner and getattr(other, "__name__", "").startswith(("components", "flows")):
            for key, value in list(vars(other).items()):
                if value is original:
                    setattr(other, key, new)


def make_workspace(root: Path) -> None:
    """A clone of this repository as it is committed, where photos and results can lie."""
    subprocess.run(
        ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", str(REPOSITORY), str(root)], check=True
    )
    shutil.rmtree(root / "data/raw", ignore_errors=True)


def print_table(rows: list[list[Any]]) -> None:
    total = sum(row[2] for row in rows)
    print("| stage | piece | seconds | processor seconds | share of the clock |")
    print("|---|---|---:|---:|---:|")
    for stage in dict.fromkeys(row[0] for row in rows):
        mine = sorted((row for row in rows if row[0] == stage), key=lambda row: -row[2])
        clock, processor = (sum(row[column] for row in mine) for column in (2, 3))
        print(f"| **{stage}** | | **{clock:.1f}** | {processor:.1f} | {100 * clock / total:.0f} % |")
        for _, piece, seconds, worked in mine:
            if seconds >= 0.1 and len(mine) > 1:
                print(f"| | {piece} | {seconds:.1f} | {worked:.1f} | {100 * seconds / total:.0f} % |")
    print(f"| whole | | **{total:.1f}** | {sum(row[3] for row in rows):.1f} | 100 % |")


if __name__ == "__main__":
    main()
