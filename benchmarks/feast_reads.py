"""How long the live classes take to be read from Feast's online store, and what Feast adds to a stage.

    python benchmarks/feast_reads.py [--classes 100] [--width 512] [--reads 300]

Reads are of all classes of a version at once, by `ClassStore.vectors`, as somebody does who serves elsewhere; the first
read, which opens the store, is told apart. Redis is one that is started here (`redis-server`), and left out where there
is none. What Feast adds is measured in processes of their own: the embeddings of a training, joined by Feast
(`feature_store.training: true`) and read from the file that is its source.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from components.artefacts import embeddings_file, write_embeddings
from components.store import ClassRow, ClassStore

REPOSITORY = Path(__file__).resolve().parents[1]
VERSION = "0123456789ab"

_READ = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
import torch
from components.artefacts import embeddings_file, read_embeddings
from components.store import EmbeddingStore
root, count, by_feast = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "feast"
views = [(f"{number:064}", 0) for number in range(count)]
start, used = time.perf_counter(), time.process_time()
for _ in range(2):
    if by_feast:
        read = EmbeddingStore(root / "data/feature_store").read(views, datetime(2026, 1, 1, tzinfo=UTC))
    else:
        read = read_embeddings(embeddings_file(root / "data/features"), views)
    print(f"{time.perf_counter() - start:.2f} {time.process_time() - used:.2f} {float(read.double().sum())!r}")
    start, used = time.perf_counter(), time.process_time()
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--reads", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        repository = root / "data/feature_store"
        repository.mkdir(parents=True)
        shutil.copy(REPOSITORY / "data/feature_store/feature_store.yaml", repository)
        print(f"{arguments.classes} classes x {arguments.width}, {arguments.reads} reads, milliseconds")
        print("store    first   p50    p99    slowest   processor, mean")
        time_reads("sqlite", repository, arguments)
        with redis() as port:
            if port is not None:
                path = repository / "feature_store.yaml"
                online = f"online_store:\n  type: redis\n  connection_string: localhost:{port}\nentity_key"
                text = path.read_text()
                path.write_text(text[: text.index("online_store:")] + online + text.split("entity_key", 1)[1])
                time_reads("redis", repository, arguments)
        time_stage(root)


def time_reads(name: str, repository: Path, arguments: argparse.Namespace) -> None:
    vectors = normalize(
        torch.randn(arguments.classes, arguments.width, generator=torch.Generator().manual_seed(0)), dim=1
    )
    rows = [
        ClassRow(f"class {place}", f"class {place}", "trained", "name", place, 0.0, vector)
        for place, vector in enumerate(vectors)
    ]
    names = [row.name for row in rows]
    ClassStore(repository).write_classes(VERSION, rows, datetime.now(UTC))
    store = ClassStore(repository)
    seconds = []
    used = 0.0
    for _ in range(arguments.reads + 1):
        used = time.process_time() if len(seconds) == 1 else used  # not of the first
        start = time.perf_counter()
        found, _ = store.vectors(VERSION, names)
        seconds.append(time.perf_counter() - start)
    assert torch.equal(found, vectors)
    used = 1000 * (time.process_time() - used) / len(seconds)
    first, *others = (1000 * each for each in seconds)
    print(
        f"{name:8} {first:5.0f} {np.median(others):6.2f} {np.quantile(others, 0.99):6.2f} {max(others):8.2f}   {used:6.2f}"
    )


@contextlib.contextmanager
def redis() -> Iterator[int | None]:
    """A Redis of our own that keeps nothing, at a free port; None where the program is not there."""
    if shutil.which("redis-server") is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def time_stage(root: Path, count: int = 1600, width: int = 512) -> None:
    """The embeddings of 100 classes of 16 photos."""
    made = normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(0)), dim=1)
    ids = [f"{number:064}" for number in range(count)]
    embeddings_file(root / "data/features").parent.mkdir(parents=True)
    write_embeddings(
        embeddings_file(root / "data/features"), [(ids, [0] * count, made)], datetime(2026, 1, 1, tzinfo=UTC)
    )
    print(
        f"\n{count} embeddings x {width} in a process of its own: seconds, processor seconds (first read, second read)"
    )
    sums = set()
    for name in ("file", "feast"):
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(root), str(count), name], capture_output=True, text=True, check=True
        )
        first, second = (line.split() for line in done.stdout.splitlines())
        sums |= {first[2], second[2]}
        print(f"{name:6} {first[0]} {first[1]}   {second[0]} {second[1]}")
    print("the same values" if len(sums) == 1 else f"other values: {sums}")


if __name__ == "__main__":
    main()
