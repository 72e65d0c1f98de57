"""The one door to `open_clip`, which cannot be imported beside a CPU-only torch without preparation."""

import functools
import importlib.util
import sys
from types import ModuleType

import torch

__all__ = ["import_open_clip"]


@functools.cache
def import_open_clip() -> ModuleType:
    """Import `open_clip` (about six seconds), working around torchvision wheels linked against CUDA.

    torchvision's registry wheel for Linux cannot load its operators beside a CPU build of torch, and then fails at
    import because the schema of `nms` is unknown. Declaring the two schemas is enough for its transforms, which are
    all that open_clip uses; the operators themselves stay unusable.
    """
    if not torch.version.cuda and sys.platform == "linux" and "torchvision" not in sys.modules:
        spec = importlib.util.find_spec("torchvision")
        folders = spec.submodule_search_locations if spec else None
        try:
            torch.ops.load_library(f"{folders[0]}/_C.so" if folders else "")
        except OSError:
            for name in ("nms", "qnms"):
                torch.library.define(
                    f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
    import open_clip

    module: ModuleType = open_clip
    return module
