"""The one door to `open_clip`: beside a CPU-only torch it needs preparation, and most of what it imports is never used."""

import functools
import importlib
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

import torch

from components.errors import UserInputError

__all__ = ["import_hugging_face", "import_open_clip"]

# Packages that open_clip, or torchvision for it, imports as a whole and asks for hardly anything: model zoos, data
# sets, detection operators (which import torch's compiler). They are over half of the seconds.
_LATER = frozenset({"timm", "torchvision.datasets", "torchvision.io", "torchvision.models", "torchvision.ops"})


@functools.cache
def import_open_clip() -> ModuleType:
    """Import `open_clip`, working around torchvision wheels linked against CUDA.

    torchvision's registry wheel for Linux cannot load its operators beside a CPU build of torch, and then fails at
    import because the schema of `nms` is unknown. Declaring the two schemas is enough for its transforms, which are
    all that open_clip uses; the operators themselves stay unusable.

    The packages of `_LATER` are executed when the first of their names is asked for; their modules import as ever.
    `transformers`, which open_clip takes where it is installed, stays out until `import_hugging_face`.
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
    with _executed_when_used(_LATER), _not_found("transformers"), _compiler_left_out():
        import open_clip

    module: ModuleType = open_clip
    return module


@functools.cache
def import_hugging_face() -> None:
    """Have open_clip build text towers of Hugging Face; two seconds that no other tower needs.

    Raises:
        UserInputError: the extra `hf` is not installed.
    """
    if importlib.util.find_spec("transformers") is None:
        raise UserInputError(
            "this backbone's words need a text tower or a tokenizer of Hugging Face's, and transformers is not installed",
            on="backbone.name",
            remedy="install it: pip install 'shotline[hf]'",
        )
    open_clip = import_open_clip()
    towers = importlib.reload(open_clip.hf_model)
    open_clip.model.HFTextEncoder = towers.HFTextEncoder


@contextmanager
def _not_found(package: str) -> Iterator[None]:
    """Within the block, `package` looks as if it were not installed, unless it is imported already."""
    finder = _Hider(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Hider(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == self._package:
            raise ModuleNotFoundError(f"{fullname} is imported when a tower needs it", name=fullname)
        return None


@contextmanager
def _executed_when_used(packages: frozenset[str]) -> Iterator[None]:
    """Within the block, a package of `packages` is executed only when one of its names is asked for."""
    finder = _Finder(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def _compiler_left_out() -> Iterator[None]:
    """Within the block, timm takes torch to have no compiler; else marking functions would import it, two seconds."""
    usual = torch.compiler.disable
    del torch.compiler.disable
    try:
        yield
    finally:
        torch.compiler.disable = usual


class _Finder(MetaPathFinder):
    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._packages:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _LaterLoader(spec.loader)
        return spec


class _LaterLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Later(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Executes nothing yet: the module knows its path, which is enough to import its submodules."""


class _Later(ModuleType):
    """A package that has not been executed; unlike `importlib.util.LazyLoader`'s, importing a module of it does not."""

    _lock = (
        threading.RLock()
    )  # one lock for all of them: no thread asks for a package while another thread executes one

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks for these
            raise AttributeError(name)
        with _Later._lock:
            if type(self) is _Later:
                self.__class__ = ModuleType  # type: ignore[assignment]
                spec: Any = self.__spec__
                spec.loader = self.__loader__ = spec.loader.loader
                spec.loader.exec_module(self)
        return getattr(self, name)
