"""One ONNX file beside PyTorch: milliseconds a photo in batches of 1, 2 and 32, and how far probabilities are apart.

python -m benchmarks.onnx WORKSPACE [--rounds 5]

WORKSPACE has been trained; what is live is exported. Medians of rounds that go through both in turn; one thread each.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from components.artefacts.photo_tables import PhotoTables
from components.bank import Bank
from components.classifier import Bundle
from components.export.graph import PixelsToAnswer
from components.export.onnx_file import PRECISIONS, backbone_for_export, checked, onnx_model, support_photos
from components.live import Versions
from components.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace(arguments.workspace.resolve())
    versions = Versions(workspace.live)
    bundle, bank = versions.load(versions.in_use())
    rows = PhotoTables(workspace.validated).manifest(["id", "path"]).to_pylist()
    photos = support_photos(bundle, bank, {row["id"]: workspace.raw / row["path"] for row in rows})
    measure(bundle, bank, workspace.models, photos, arguments.rounds)


def measure(bundle: Bundle, bank: Bank, models: Path, photos: list[Path], rounds: int) -> None:
    """A row a precision and batch."""
    backbone = backbone_for_export(bundle, models)
    own = PixelsToAnswer(backbone, bundle, bank).eval()
    print(f"head {bundle.head.name}, backbone {bundle.backbone['name']}, {len(photos)} support photos")
    print(
        "| precision | MB | batch | PyTorch, ms a photo | ONNX Runtime, ms a photo | probabilities at most off | same first answer |"
    )
    print("|---|---|---|---|---|---|---|")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for precision, tolerance in PRECISIONS.items():
        content = onnx_model(bundle, bank, backbone, precision).SerializeToString()
        agreement = checked(content, bundle, bank, backbone, photos, tolerance)
        session = onnxruntime.InferenceSession(content, options)
        for batch in (1, 2, 32):
            side = session.get_inputs()[0].shape[1]
            pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
            ours, theirs = [], []
            for _ in range(rounds + 1):
                ours.append(milliseconds(lambda: own(torch.from_numpy(pixels))))  # noqa: B023 (called at once)
                theirs.append(milliseconds(lambda: session.run(["probabilities"], {"photos": pixels})))  # noqa: B023
            beside = [statistics.median(each[1:]) / batch for each in (ours, theirs)]
            print(
                f"| {precision} | {len(content) / 1e6:.1f} | {batch} | {beside[0]:.1f} | {beside[1]:.1f} | "
                f"{agreement.largest_difference:.1e} | {agreement.same_answer:.1%} |",
                flush=True,
            )


@torch.inference_mode()
def milliseconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
