"""The learning curve's promise against what came true: from 4 photos a class for 8, and from 8 for 16.

    python benchmarks/learning_curve.py --features DIR [--seeds 3]

DIR is as `heads_real_clip.py` takes it. From `train16`, so many photos a class are drawn; the promise is made from them
alone; what came true is MAP-LR, fitted on twice as many (the same and as many again), on `test`. In points.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from heads_real_clip import part

from components.classifier import fit_head
from components.evaluate.learning_curve import promise_of_more
from components.features.carriers import Features
from components.heads import Support


def main() -> None:
    """Print a line a set and number of photos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generic = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    missed, missed_gain = [], []
    print(
        "| set | from | promised now | is | promised then | came true | promised gain | gained |\n" + "|---" * 8 + "|"
    )
    for path in sorted(arguments.features.glob("*.npz")):
        arrays = np.load(path)
        if "train16_x" not in arrays:
            continue
        x, y = part(arrays, "train16")
        query = part(arrays, "test")
        for shots in (4, 8):
            rows = []
            for seed in range(arguments.seeds):
                generator = torch.Generator().manual_seed(seed)
                order = {
                    label: torch.nonzero(y == label).flatten()[torch.randperm(16, generator=generator)]
                    for label in range(int(y.max()) + 1)
                }
                supports = []
                for size in (shots, 2 * shots):
                    index = torch.cat([members[:size] for members in order.values()])
                    supports.append(
                        Support.of_images(Features(x[index]), y[index], len(order), covariance=generic, seed=seed)
                    )
                promise = promise_of_more(supports[0])
                assert promise is not None
                true = [
                    float((fit_head("map_lr", each).scores(Features(query[0])).argmax(1) == query[1]).double().mean())
                    for each in supports
                ]
                rows.append([promise.now, true[0], promise.then, true[1], promise.gain, true[1] - true[0]])
                missed.append(abs(promise.then - true[1]))
                missed_gain.append(abs(promise.gain - (true[1] - true[0])))
            figures = " | ".join(f"{100 * mean(row[place] for row in rows):.1f}" for place in range(6))
            print(f"| {path.stem} | {shots} | {figures} |", flush=True)
    print(f"mean error: {100 * mean(missed):.1f} points, of the gain {100 * mean(missed_gain):.1f}")


if __name__ == "__main__":
    main()
