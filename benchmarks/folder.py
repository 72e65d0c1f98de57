"""Many photos into a CSV: the rate beside a bare decode-and-forward loop, memory, and a run that is killed and gone on with.

python -m benchmarks.folder WORKSPACE PHOTOS [--photos 5000]

WORKSPACE has been trained. The photos of the folder PHOTOS are linked again and again under new names until there are as
many as asked for. The bare loop decodes in as many threads as there are processors and encodes batches of 32, one after
the other: no errors, no rows, no file. Processor seconds are given beside the clock's, for machines that are shared.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cold_start import SHOTLINE, timed

_BATCH = 32
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
        few, many = (
            linked(arguments.folder, Path(scratch), 32),
            linked(arguments.folder, Path(scratch), arguments.photos),
        )
        print("| what | photos | s | processor s | photos a second | most memory, MB |\n|---|---|---|---|---|---|")
        bare = one_process(["-m", "benchmarks.folder", str(workspace), str(many), "--bare"], workspace)
        report("bare loop", arguments.photos, *bare)
        start = timed([*SHOTLINE, "classify", str(few), "--csv", f"{scratch}/few.csv"], workspace)
        whole = f"{scratch}/whole.csv"
        own = one_process(
            ["-c", "from flows.cli import main; main()", "classify", str(many), "--csv", whole], workspace
        )
        report("`shotline classify FOLDER --csv`", arguments.photos, *own)
        print(
            f"\nof the processor's time 32 photos and the start take {start[1]:.1f} s; rate: {bare[1] / own[1]:.2f} of bare"
        )
        killed = f"{scratch}/killed.csv"
        kill_half_way(
            [*SHOTLINE, "classify", str(many), "--csv", killed], workspace, Path(f"{killed}.part"), arguments.photos
        )
        timed([*SHOTLINE, "classify", str(many), "--csv", killed], workspace)
        same = Path(killed).read_bytes() == Path(whole).read_bytes()
        print(f"killed half way and gone on with: {'the same file' if same else 'ANOTHER FILE'}")


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


if __name__ == "__main__":
    main()
