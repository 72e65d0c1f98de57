"""Many photos into a CSV: the rate beside a bare decode-and-forward loop, memory, and a run that is killed and gone on with.

python -m benchmarks.folder WORKSPACE PHOTOS [--photos 5000]

WORKSPACE has been trained. The photos of the folder PHOTOS are linked again and again under new names until there are as
many as asked for. The bare loop decodes in as many threads as there are processors and encodes batches of 32, one after
the other: no errors, no rows, no file. Processor seconds are given beside the clock's, for machines that are shared.
What is killed and gone on with is a run on a thousand of them.
*Decoders*: 300 of the photos decoded, resized and cropped, by threads and by processes that send the pixels back, medians of
five rounds that go through all in turn.
"""

import argparse
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.cold_start import SHOTLINE, timed

_BATCH = 32
_FEW = 1000
_DECODED, _ROUNDS = 300, 5
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--bare", action="store_true", help="the bare loop alone")
    arguments = parser.parse_args()
    if arguments.bare:
        bare_loop(arguments.workspace, arguments.folder)
        return
    workspace = arguments.workspace.resolve()
    with tempfile.TemporaryDirectory(prefix="shotline-benchmark-") as scratch:
        few, many = (linked(arguments.folder, Path(scratch), number) for number in (_FEW, arguments.photos))
        print("| what | photos | s | processor s | photos a second | most memory, MB |\n|---|---:|---:|---:|---:|---:|")
        bare = one_process(["-m", "benchmarks.folder", str(workspace), str(many), "--bare"], workspace)
        report("bare loop", arguments.photos, *bare)
        shotline = ["-c", "from flows.cli import main; main()", "classify"]
        whole = f"{scratch}/few.csv"
        report(_OWN, _FEW, *one_process([*shotline, str(few), "--csv", whole], workspace))
        own = one_process([*shotline, str(many), "--csv", f"{scratch}/many.csv"], workspace)
        report(_OWN, arguments.photos, *own)
        same = killed_and_gone_on_with(few, Path(scratch), workspace, _FEW) == Path(whole).read_bytes()
        print("\n| | |\n|---|---|")
        print(f"| rate, by the clock (bar: 0.85) | {bare[0] / own[0]:.2f} of the bare loop's |")
        print(f"| rate, by the processor | {bare[1] / own[1]:.2f} of the bare loop's |")
        print(
            f"| {_FEW:,} photos, killed half way (`kill -9`) and gone on with | {'the same file' if same else 'ANOTHER FILE'} |\n"
        )
        decoders(sorted(few.iterdir())[:_DECODED])


_OWN = "`shotline classify FOLDER --csv`"


def killed_and_gone_on_with(photos: Path, scratch: Path, workspace: Path, number: int) -> bytes:
    """The file of a run that was killed half way, and then gone on with."""
    killed = f"{scratch}/killed.csv"
    command = [*SHOTLINE, "classify", str(photos), "--csv", killed]
    kill_half_way(command, workspace, Path(f"{killed}.part"), number)
    timed(command, workspace)
    return Path(killed).read_bytes()


def linked(folder: Path, scratch: Path, number: int) -> Path:
    """A folder with so many photos."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    target = scratch / f"in-{number}"
    target.mkdir()
    for place in range(number):
        file = files[place % len(files)].resolve()
        (target / f"{place:06d}{file.suffix}").hardlink_to(file)
    return target


def one_process(arguments: list[str], workspace: Path) -> tuple[float, float, float]:
    """Seconds on the clock and of the processor, and the most memory, MB, of a Python process of its own."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=workspace, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, arguments
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def report(what: str, photos: int, wall: float, processor: float, memory: float) -> None:
    print(f"| {what} | {photos:,} | {wall:.1f} | {processor:.1f} | {photos / wall:.1f} | {memory:,.0f} |", flush=True)


def kill_half_way(command: list[str], workspace: Path, part: Path, photos: int) -> None:
    process = subprocess.Popen(command, cwd=workspace, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if part.is_file() and part.read_bytes().count(b"\n") > photos // 2:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.02)
    assert process.returncode == -signal.SIGKILL


def bare_loop(workspace: Path, folder: Path) -> None:
    """Decode and encode, nothing else."""
    import torch

    from components.backbone import load_backbone
    from components.ingest import load_image

    backbone = load_backbone("embedded", models=workspace / "models")
    files = sorted(folder.iterdir())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(files), _BATCH):
            batch = list(pool.map(lambda file: backbone.preprocess(load_image(file)), files[start : start + _BATCH]))
            backbone.encode_images(torch.stack(batch))


def decoders(files: Sequence[Path]) -> None:
    """Photos a second by threads and by processes, and the processor's time that each takes."""
    cores = os.cpu_count() or 1
    kinds: dict[str, Executor] = {
        "one thread": ThreadPoolExecutor(1),
        f"{cores} threads": ThreadPoolExecutor(cores),
        f"{cores} processes": ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    processor = dict.fromkeys(kinds, 0.0)
    for number in range(_ROUNDS + 1):
        for name, pool in kinds.items():
            before, begun = time.process_time(), time.perf_counter()
            list(pool.map(decoded, files, chunksize=8))
            if number:
                taken[name].append(time.perf_counter() - begun)
                processor[name] += time.process_time() - before
    for pool in kinds.values():
        pool.shutdown()
    print("| decoders | photos a second | processor ms a photo in the process that classifies |\n|---|---:|---:|")
    for name, seconds in taken.items():
        in_all = processor[name] / _ROUNDS / len(files)
        print(f"| {name} | {len(files) / statistics.median(seconds):.0f} | {1000 * in_all:.2f} |")


def decoded(file: Path) -> Any:
    """A photo as 8-bit pixels: as little as a process can send back."""
    from components.export.recipes.answer import prepared
    from components.ingest import load_image

    return prepared(load_image(file), {"size": 192, "interpolation": "bicubic", "resize_mode": "shortest"})


if __name__ == "__main__":
    main()
