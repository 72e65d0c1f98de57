"""The service under load, beside a plain loop and two other services, in one run on one machine.

python benchmarks/serving_load.py WORKSPACE PHOTOS [--clients 1 8 32 128] [--seconds 15] [--only ours loop]
python benchmarks/serving_load.py --make DIR PHOTOS     a workspace with ViT-B-32 (random weights), trained for times only

WORKSPACE has been trained; PHOTOS is a folder with JPEGs. Each client sends one photo at a time, as a form, and waits for the
answer. The loop decodes and classifies the same bytes at the batch that the service came to, once it has stopped. The
load's own process shares the machine's cores with the service; the loop has them all. Beside rates stand the milliseconds
of processor that a photo costs in the service's processes, which other programs on the machine hardly change.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

SERVICES = {
    "ours": "components.serving.service:Shotline",
    "example": "benchmarks.serving_rivals:Example",
    "fair": "benchmarks.serving_rivals:Fair",
}
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Load:
    """What so many clients saw: photos a second, milliseconds of an answer, failures, photos a batch.

    And the processor's milliseconds that a photo cost in the service's processes.
    """

    rate: float
    p50: float
    p95: float
    failed: int
    batch: float
    processor: float


def main() -> None:
    arguments = _arguments()
    if arguments.make:
        make_workspace(arguments.workspace, arguments.photos)
        return
    photos = [path.read_bytes() for path in sorted(arguments.photos.rglob("*.jpg"))[:256]]
    print("| clients | what | photos a second | processor, ms | p50, ms | p95, ms | failed | photos a batch |")
    print("|---|---|---|---|---|---|---|---|")
    batches = {}
    for name in (each for each in arguments.only if each != "loop"):
        with serving(name, arguments.workspace) as (base, process):
            asyncio.run(load(base, process, photos, 4, 5))  # warm
            for clients in arguments.clients:
                seen = asyncio.run(load(base, process, photos, clients, arguments.seconds))
                batches.setdefault(clients, seen.batch)
                print(
                    f"| {clients} | {name} | {seen.rate:.1f} | {seen.processor:.1f} | {seen.p50:.1f} | {seen.p95:.1f} "
                    f"| {seen.failed} | {seen.batch:.1f} |",
                    flush=True,
                )
    if "loop" in arguments.only:
        for clients, batch in batches.items():
            size = max(1, round(batch))
            rate, processor = loop(arguments.workspace, photos, size, arguments.seconds)
            print(
                f"| {clients} | loop, {size} at once | {rate:.1f} | {processor:.1f} | {1000 * size / rate:.1f} | | | {size} |",
                flush=True,
            )


def loop(workspace: Path, photos: list[bytes], size: int, seconds: float) -> tuple[float, float]:
    """Photos a second of a plain decode-and-forward loop, and the processor's milliseconds of one."""
    from components.backbone import BackboneSettings
    from components.serving.answers import PhotoClassifier

    classifier = PhotoClassifier.load(
        workspace / "models", BackboneSettings(precision=os.environ.get("SHOTLINE_PRECISION", "auto"))
    )
    batches = [photos[start : start + size] for start in range(0, len(photos) - size + 1, size)]
    classifier.answer(batches[0])
    done, begun, processor = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        done += len(classifier.answer(batches[done // size % len(batches)]))
    return done / (time.perf_counter() - begun), 1000 * (time.process_time() - processor) / done


async def load(base: str, process: int, photos: list[bytes], clients: int, seconds: float) -> Load:
    """So many clients, each with one photo at a time, for so many seconds."""
    border = uuid.uuid4().hex
    headers = {"content-type": f"multipart/form-data; boundary={border}"}
    head = f'--{border}\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    bodies = [head.encode() + photo + f"\r\n--{border}--\r\n".encode() for photo in photos]
    times: list[float] = []
    failed = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        before = await _batches(session, base)
        end = time.perf_counter() + seconds

        async def client(number: int) -> None:
            nonlocal failed
            while (begun := time.perf_counter()) < end:
                number += clients
                async with session.post(
                    f"{base}/classify", data=bodies[number % len(bodies)], headers=headers
                ) as answer:
                    await answer.read()
                    if answer.status == 200:
                        times.append(time.perf_counter() - begun)
                    else:
                        failed += 1

        begun, processor = time.perf_counter(), processor_seconds(process)
        await asyncio.gather(*(client(number) for number in range(clients)))
        wall, processor = time.perf_counter() - begun, processor_seconds(process) - processor
        after = await _batches(session, base)
    photos_seen, batches = after[0] - before[0], after[1] - before[1]
    quantiles = statistics.quantiles(times, n=20)
    return Load(
        len(times) / wall,
        1000 * statistics.median(times),
        1000 * quantiles[18],
        failed,
        photos_seen / max(1, batches),
        1000 * processor / len(times),
    )


def processor_seconds(process: int) -> float:
    """What a process and those it has started have taken of the processor so far."""
    family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in family)


async def _batches(session: aiohttp.ClientSession, base: str) -> tuple[float, float]:
    """Photos and batches so far; ours counts the photos of a call, BentoML's own figure the calls of a batch."""
    async with session.get(f"{base}/metrics") as response:
        text = await response.text()
    found = dict(re.findall(r"^shotline_batch_photos_(sum|count) (\S+)$", text, re.M)) or dict(
        re.findall(r"^bentoml_service_adaptive_batch_size_(sum|count)\{.*\} (\S+)$", text, re.M)
    )
    return float(found.get("sum", 0)), float(found.get("count", 0))


@contextmanager
def serving(name: str, workspace: Path) -> Iterator[tuple[str, int]]:
    """The address of a service of the workspace, and its process, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "SHOTLINE_WORKSPACE": str(workspace.resolve()), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "bentoml", "serve", SERVICES[name], "--host", "127.0.0.1", "--port", str(port)]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        while not _ready(base):
            if process.poll() is not None:
                raise SystemExit(f"{name} ended by itself")
            time.sleep(0.1)
        print(f"{name}: ready after {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        yield base, process.pid
    finally:
        begun = time.perf_counter()
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        print(f"{name}: ended after {time.perf_counter() - begun:.1f} s", file=sys.stderr)


def _ready(base: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{base}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def make_workspace(folder: Path, photos: Path) -> None:
    """A workspace with ViT-B-32, its weights random, trained on the photos with few heads."""
    import json

    import torch
    from lib.random_backbone import SETTINGS
    from safetensors.torch import save_file

    from components.backbone.open_clip_import import import_open_clip
    from components.workspace import Workspace, init_workspace

    init_workspace(folder)
    open_clip = import_open_clip()
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", None)
    weights = folder.with_name(f"{folder.name}-weights")
    weights.mkdir()
    content = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": SETTINGS}
    (weights / "open_clip_config.json").write_text(json.dumps(content))
    save_file(
        {key: each.contiguous() for key, each in model.state_dict().items()}, weights / "open_clip_model.safetensors"
    )
    Workspace(folder).set_parameters({"classifier.heads": ["zero_shot", "nearest_mean"], "feature_store.online": False})
    command = [
        sys.executable,
        "-c",
        "from flows.cli import main; main()",
        "train",
        str(photos.resolve()),
        "--shots",
        "4",
    ]
    subprocess.run([*command, "--backbone", str(weights.resolve()), "--plain"], cwd=folder, check=True)
    shutil.rmtree(weights)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--only", nargs="+", default=["ours", "example", "fair", "loop"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
