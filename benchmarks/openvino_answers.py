"""What OpenVINO answers from an exported ONNX file, beside ONNX Runtime.

python benchmarks/openvino_answers.py MODEL.onnx PHOTOS [--most 60]

Needs `pip install openvino onnxruntime pillow` and `answer.py` beside the model; nothing of Shotline. PHOTOS is a folder;
every n-th of its photos is asked about. One thread; single precision, which OpenVINO leaves on processors with a faster one
unless it is told.
"""

import argparse
import importlib.util
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import openvino
from PIL import Image

_SETTINGS = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=60)
    arguments = parser.parse_args()
    recipe = program_beside(arguments.model)
    preprocessing = recipe.Classifier(str(arguments.model)).facts["preprocessing"]
    files = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // arguments.most)][: arguments.most]
    photos = np.stack([recipe.prepared(recipe.upright_rgb(Image.open(file)), preprocessing) for file in files])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(arguments.model), options)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(arguments.model), "CPU", _SETTINGS)
    print(
        "| batch | photos | probabilities at most off | same first answer | ONNX Runtime, processor ms a photo | OpenVINO |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    for batch in (1, 2, 32):
        ours, theirs, milliseconds = [], [], [0.0, 0.0]
        for start in range(0, len(photos), batch):
            part = photos[start : start + batch]
            for number, (answers, run) in enumerate(((ours, session), (theirs, compiled))):
                begun = time.process_time()
                answers.append(probabilities(run, part))
                milliseconds[number] += 1000 * (time.process_time() - begun) / len(photos)
        one, other = np.concatenate(ours), np.concatenate(theirs)
        same = int((one.argmax(1) == other.argmax(1)).sum())
        print(
            f"| {batch} | {len(photos)} | {np.abs(one - other).max():.1e} | {same} | "
            f"{milliseconds[0]:.0f} | {milliseconds[1]:.0f} |"
        )


def probabilities(run: Any, photos: Any) -> Any:
    if isinstance(run, onnxruntime.InferenceSession):
        return run.run(["probabilities"], {"photos": photos})[0]
    return run({"photos": photos})["probabilities"].copy()


def program_beside(model: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("answer", model.with_name("answer.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
