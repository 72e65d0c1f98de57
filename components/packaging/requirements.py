"""What a Bento is installed with: every package at the version that it was built beside, also what those need."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["pinned"]

# A CUDA build of torch names them for itself where it is installed.
_CUDA = ("cuda-", "nvidia-", "triton")


def pinned(names: Iterable[str]) -> list[str]:
    """`name==version` of these distributions and of all that they need here, sorted; without the CUDA packages of torch.

    Raises:
        PackageNotFoundError: one of `names` is not installed.
    """
    found: dict[str, str] = {}
    waiting = [(canonicalize_name(name), frozenset[str]()) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    for name, _ in waiting:
        found[name] = importlib.metadata.version(name)
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen or name.startswith(_CUDA):
            continue
        seen.add((name, extras))
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # of an extra, and nothing here needed it
            continue
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    # A local build's label (+cpu) is nowhere to be had.
    return [f"{name}=={version.partition('+')[0]}" for name, version in sorted(found.items())]
