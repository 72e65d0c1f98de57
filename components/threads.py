"""How many threads compute: one where the bits must come out the same on any number of cores, or where more cost time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits

__all__ = ["one_thread", "threads_for"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Within the block, torch and NumPy's linear algebra use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def threads_for(n_photos: int) -> Iterator[None]:
    """Within the block, torch uses one thread for a single photo and all for more: splitting one photo takes longer."""
    threads = torch.get_num_threads()
    if n_photos > 1 or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
