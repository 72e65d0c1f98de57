"""How long commands take from cold: each in a process of its own, beside `python -c "import torch"` in the same run.

python -m benchmarks.cold_start WORKSPACE PHOTO PHOTO PHOTO PHOTO PHOTO [--rounds 5]

WORKSPACE has been trained; added classes are taken out again. Files are in the system's cache after the first round,
which is not counted. Rounds go through all commands in turn, so that a busy minute does not hit one of them alone.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

SHOTLINE = [sys.executable, "-c", "from flows.cli import main; main()"]


def main() -> None:
    arguments = _arguments()
    cold = commands(arguments.workspace, arguments.photos)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cold}
    for number in range(arguments.rounds + 1):
        for name, command in cold.items():
            taken = timed(command, arguments.workspace, check="not there" not in name)
            if number:
                seconds[name].append(taken)
            if "add-class" in name:
                timed([*SHOTLINE, "remove-class", "cold start"], arguments.workspace)
    print("| command | s | processor s |\n|---|---|---|")
    for name, taken in seconds.items():
        wall, processor = (statistics.median(each) for each in zip(*taken, strict=True))
        print(f"| {name} | {wall:.2f} | {processor:.2f} |")


def commands(workspace: Path, photos: list[Path]) -> dict[str, list[str]]:
    """What is timed, by what the table calls it."""
    names = sorted(path.parent.name for path in (workspace / "models/live").glob("*/version.json"))
    return {
        "`python -c pass`": [sys.executable, "-c", "pass"],
        '`python -c "import torch"`': [sys.executable, "-c", "import torch"],
        "`shotline --help`": [*SHOTLINE, "--help"],
        "`shotline versions`": [*SHOTLINE, "versions"],
        "`shotline classes`": [*SHOTLINE, "classes"],
        "`shotline diff`": [*SHOTLINE, "diff", names[0], names[-1]],
        "`shotline classify`, a photo that is not there": [*SHOTLINE, "classify", "nowhere.jpg"],
        "`shotline classify`, one photo": [*SHOTLINE, "classify", str(photos[0])],
        "`shotline add-class`, five photos": [*SHOTLINE, "add-class", "cold start", *map(str, photos), "--force"],
    }


def timed(command: list[str], cwd: Path, *, check: bool = True) -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=cwd, check=check, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("photos", type=lambda text: Path(text).resolve(), nargs=5)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
