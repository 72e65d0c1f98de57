"""How long a search takes: one query against many photos' embeddings, exactly.

    python benchmarks/search.py [--rows 100000] [--width 512] [--top 20] [--queries 50] [--json]

Drawn unit vectors about 100 centres, written as the stage features writes them and read as `shotline search` reads
them. Queries are rows of their own and others. Medians in milliseconds, after a round that is not counted, with the
threads that NumPy takes by itself; beside them, in the same run, the matrix product alone and sorting every row (whose
first `top` rows must be the very same), and how long reading takes and how much memory it adds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from components.artefacts import read_clean_embeddings, write_embeddings
from components.retrieval import nearest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    random = np.random.default_rng(0)
    centres = unit(random.standard_normal((100, arguments.width)))
    labels = random.integers(0, len(centres), arguments.rows)
    rows = unit(centres[labels] + random.standard_normal((arguments.rows, arguments.width)) / arguments.width**0.5)
    own = rows[random.integers(0, arguments.rows, arguments.queries)]
    others = unit(random.standard_normal((arguments.queries, arguments.width)))
    queries = [*own[::2], *others[::2]]

    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.parquet"
        write_embeddings(path, chunks(rows), datetime(2026, 1, 1, tzinfo=UTC))
        before = psutil.Process().memory_info().rss
        start = time.perf_counter()
        _, read = read_clean_embeddings(path)
        measured["read_s"] = time.perf_counter() - start
        measured["read_memory_of_rows"] = (psutil.Process().memory_info().rss - before) / rows.nbytes
    assert np.array_equal(read, rows)

    for query in queries:
        exact = np.argsort(-(rows.astype(np.float64) * query.astype(np.float64)).sum(1), kind="stable")
        assert np.array_equal(nearest(read, query, arguments.top)[0], exact[: arguments.top])
    measured["search_ms"] = milliseconds(lambda query: nearest(read, query, arguments.top), queries)
    measured["product_ms"] = milliseconds(lambda query: read @ query, queries)
    measured["sort_all_ms"] = milliseconds(lambda query: np.argsort(-(read @ query), kind="stable"), queries)

    if arguments.json:
        print(json.dumps(measured))
        return
    print(f"{arguments.rows} rows of {arguments.width}, the nearest {arguments.top}, {len(queries)} queries\n")
    print("| | |\n|---|---:|")
    print(f"| one search, ms | {measured['search_ms']:.1f} |")
    print(f"| the matrix product alone, ms | {measured['product_ms']:.1f} |")
    print(f"| product and sorting every row, ms | {measured['sort_all_ms']:.1f} |")
    print(f"| reading the file, s | {measured['read_s']:.2f} |")
    print(f"| memory that reading adds, in units of the rows | {measured['read_memory_of_rows']:.2f} |")


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def chunks(rows: NDArray[np.float32], size: int = 2048):  # type: ignore[no-untyped-def]
    for start in range(0, len(rows), size):
        part = torch.from_numpy(rows[start : start + size])
        yield [f"{start + place:064x}" for place in range(len(part))], [0] * len(part), part


def milliseconds(action: Callable[[NDArray[np.float32]], object], queries: list[NDArray[np.float32]]) -> float:
    for query in queries[:5]:
        action(query)
    took = []
    for query in queries:
        start = time.perf_counter()
        action(query)
        took.append(time.perf_counter() - start)
    return 1000 * median(took)


if __name__ == "__main__":
    main()
