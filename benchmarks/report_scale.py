"""How long a report takes, how much memory and how large its page is, with many classes and photos.

    python benchmarks/report_scale.py [--classes 1000] [--query 50000] [--shots 16] [--width 512] [--json FILE]

The workspace is drawn: embeddings about class centres, answers of which about 85 % are right, four heads, and one photo
file for each class that every path of the class leads to. Times are those of `shotline report`, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.numpy import save_file

from components.artefacts import (
    AnsweredPhoto,
    embeddings_file,
    write_answers,
    write_answers_by_head,
    write_embeddings,
    write_metrics,
)
from components.bank.facts import BANK_VERSION
from components.classifier.facts import BUNDLE_VERSION
from components.files import write_json, write_text
from components.workspace import Workspace

HEADS = ("zero_shot", "nearest_mean", "map_lr", "ldc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--query", type=int, default=50_000)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), arguments.classes, arguments.query, arguments.shots, arguments.width)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "from flows.cli import main; main()", "report", "-w", folder], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures = {
            "classes": arguments.classes,
            "query": arguments.query,
            "wall_s": round(time.perf_counter() - begun, 1),
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            "peak_mb": round(used.ru_maxrss / 1024),
            "page_mb": round((Path(folder) / "reports/report.html").stat().st_size / 1e6, 2),
        }
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, **figures}, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def draw(root: Path, n_classes: int, n_query: int, shots: int, width: int) -> None:
    """Write a workspace as the stages leave it."""
    random = np.random.default_rng(0)
    names = [f"class_{label:04}" for label in range(n_classes)]
    centres = random.normal(size=(n_classes, width)).astype(np.float32)
    labels = np.concatenate([np.repeat(np.arange(n_classes), shots), random.integers(n_classes, size=n_query)])
    roles = ["support"] * (n_classes * shots) + ["query"] * n_query
    ids = [f"{row:064x}" for row in range(len(labels))]
    paths = [f"{names[label]}/{row}.jpg" for row, label in enumerate(labels)]
    write_text(root / "dvc.yaml", "stages: {}\n")
    write_text(root / "params.yaml", "{}\n")
    for label in range(n_classes):
        (root / "data/raw" / names[label]).mkdir(parents=True)
        first = root / "data/raw" / paths[label * shots]
        Image.fromarray(random.integers(0, 255, (96, 128, 3)).astype(np.uint8)).save(first)
    for row, path in enumerate(paths):
        target = root / "data/raw" / path
        if not target.exists():
            target.hardlink_to(root / "data/raw" / paths[int(labels[row]) * shots])
    place = Workspace(root)
    place.validated.mkdir(parents=True)
    classes = [names[label] for label in labels]
    pq.write_table(pa.table({"id": ids, "path": paths, "class": classes}), place.validated / "manifest.parquet")
    pq.write_table(pa.table({"id": ids, "class": classes, "role": roles}), place.validated / "sample.parquet")
    rows = centres[labels] + 1.5 * random.normal(size=(len(labels), width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    place.features.mkdir(parents=True)
    write_embeddings(
        embeddings_file(place.features),
        [(ids, [0] * len(ids), torch.from_numpy(rows))],
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    _write_models(place, names)
    _write_answers(place, names, labels[n_classes * shots :], paths[n_classes * shots :], random)


def _write_models(place: Workspace, names: list[str]) -> None:
    place.bank.mkdir(parents=True)
    save_file({"labels": np.zeros(0, np.int64)}, place.bank / "bank.safetensors")
    write_json(
        place.bank / "bank.json",
        {"version": BANK_VERSION, "bundle": "0" * 12, "classes": [], "known_names": names, "tensors": ""},
    )
    write_json(
        place.bundle / "bundle.json",
        {
            "version": BUNDLE_VERSION,
            "files": {},
            "class_names": names,
            "display_names": names,
            "backbone": {"name": "drawn"},
            "threshold": 0.3,
            "provenance": {},
        },
    )


def _write_answers(
    place: Workspace, names: list[str], labels: np.ndarray, paths: list[str], random: np.random.Generator
) -> None:
    n = len(labels)
    by_head = {"path": [f"data/raw/{path}" for path in paths], "actual": [names[label] for label in labels]}
    shares = {"zero_shot": 0.6, "nearest_mean": 0.7, "map_lr": 0.84, "ldc": 0.85}
    for head in HEADS:
        other = (labels + random.integers(1, 4, n)) % len(names)
        answers = np.where(random.random(n) < shares[head], labels, other)
        by_head[head] = [names[answer] for answer in answers]
    confidence = random.random(n)
    write_answers_by_head(place.reports, by_head)
    write_answers(
        place.reports,
        [
            AnsweredPhoto(path, actual, answer, float(p), actual, 0.0, (answer,), bool(p < 0.05), "0" * 12)
            for path, actual, answer, p in zip(
                by_head["path"], by_head["actual"], by_head["ldc"], confidence, strict=True
            )
        ],
    )
    figures = {head: {"top1": 0.5, "top5": 0.5, "balanced": 0.5, "ece": 0.1, "nll": 1.0} for head in HEADS}
    write_metrics(
        place.reports,
        {
            "version": 1,
            "shots": 16,
            "seed": 1,
            "backbone": "drawn",
            "evidence": "query",
            "data": {"classes": len(names), "support": 16 * len(names), "query": n},
            "heads": figures,
            "shipped": {"head": "ldc", "top1": 0.85, "ece": 0.1, "why": "it was drawn"},
            "confused": [],
        },
    )


if __name__ == "__main__":
    main()
