"""How long the live classes take from Feast's online store, by what stands behind it.

    python benchmarks/online_store.py [--redis 127.0.0.1:6379] [--classes 100] [--width 512] [--reads 500] [--json]

Each read asks for all classes, as a service does that begins. SQLite and, where an address is given, Redis; and the
server alone, the same bytes by one HGETALL a class in a pipeline, so that Feast's part can be told from Redis's.
Milliseconds: median and p99, after ten reads that are not counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import yaml

from components.store import ClassRow, ClassStore

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", help="host:port of a Redis server to write to")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--reads", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    kinds: dict[str, dict[str, str]] = {"sqlite": {"type": "sqlite", "path": "online.db"}}
    if arguments.redis:
        kinds["redis"] = {"type": "redis", "connection_string": arguments.redis}

    figures = {}
    for name, online in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = measure(Path(folder), online, arguments)
    if arguments.redis:
        figures["redis alone"] = redis_alone(arguments)
    if arguments.json:
        print(json.dumps({"version": 1, "classes": arguments.classes, "width": arguments.width, "ms": figures}))
        return
    print("| store | median ms | p99 ms |\n|---|---|---|")
    for name, figure in figures.items():
        print(f"| {name} | {figure['median']:.2f} | {figure['p99']:.2f} |")


def measure(folder: Path, online: dict[str, str], arguments: argparse.Namespace) -> dict[str, float]:
    config = yaml.safe_load((ROOT / "data/feature_store/feature_store.yaml").read_text())
    repository = folder / "data/feature_store"
    repository.mkdir(parents=True)
    (repository / "feature_store.yaml").write_text(yaml.safe_dump({**config, "online_store": online}))
    vectors = torch.nn.functional.normalize(torch.randn(arguments.classes, arguments.width), dim=1)
    rows = [ClassRow(f"c{n}", f"c{n}", "trained", "photos", n, 0.0, vector) for n, vector in enumerate(vectors)]
    store = ClassStore(repository)
    store.write_classes("v1", rows, datetime(2026, 1, 1, tzinfo=UTC))
    names = [row.name for row in rows]
    return timed(lambda: store.classes("v1", names), arguments.reads)


def redis_alone(arguments: argparse.Namespace) -> dict[str, float]:
    import redis

    host, _, port = arguments.redis.rpartition(":")
    client = redis.Redis(host, int(port))
    names = [f"alone-{n}" for n in range(arguments.classes)]
    for name in names:
        client.hset(name, "embedding", np.random.default_rng(0).standard_normal(arguments.width).astype("f4").tobytes())

    def read() -> None:
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(name)
        pipeline.execute()

    try:
        return timed(read, arguments.reads)
    finally:
        client.delete(*names)


def timed(read: Callable[[], object], reads: int) -> dict[str, float]:
    for _ in range(10):
        read()
    found = []
    for _ in range(reads):
        start = time.perf_counter()
        read()
        found.append(1000 * (time.perf_counter() - start))
    return {"median": float(np.median(found)), "p99": float(np.quantile(found, 0.99))}


if __name__ == "__main__":
    main()
