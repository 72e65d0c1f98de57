"""The requirements of a Bento: every package that it needs, also indirectly, at the version that is installed here."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["pinned"]

# A CUDA build of torch requires these itself.
_CUDA = ("cuda-", "nvidia-", "triton")


def pinned(names: Iterable[str]) -> list[str]:
    """`name==version` of these distributions and all their dependencies here, sorted; without torch's CUDA packages.

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
        except importlib.metadata.PackageNotFoundError:  # of an extra that nothing here needs
            continue
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    # A local version label (+cpu) is on no package index.
    return [f"{name}=={version.partition('+')[0]}" for name, version in sorted(found.items())]
