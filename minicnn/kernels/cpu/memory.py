"""Memory for results that is used again once nobody holds it any more.

A large array that is allocated anew costs a page fault for every 4 KiB that is written: filling 200 MB took 37 ms
fresh and 26 ms reused. A training step asks for the same sizes every time, so the blocks of the last step are kept
and handed out again, but only those to which no array refers any longer: an array that somebody still holds is
never overwritten.
"""

from __future__ import annotations

import os
import sys
import threading
from math import prod

import numpy as np
from numpy.typing import DTypeLike

SMALLEST_KEPT = 1 << 16  # bytes; below that the C allocator does well
IDLE_REQUESTS = 256  # a block that no request took for so long goes back to the system


class _Kept:
    """The blocks that are kept, when each was last asked for, and how many requests there were."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []
        self.last_used: list[int] = []
        self.requests = 0

    def take(self, size: int) -> np.ndarray:
        """Return a block of at least `size` bytes that no array refers to."""
        self.requests += 1
        best = -1
        for index in range(len(self.blocks)):
            # At most a quarter of a block is wasted, so that a small array does not hold a large one's memory.
            fits = size <= self.blocks[index].size <= size + size // 4
            if fits and self._is_unused(index) and (best < 0 or self.blocks[index].size < self.blocks[best].size):
                best = index
        if best < 0:
            self._drop_idle()
            self.blocks.append(np.empty(size, np.uint8))
            self.last_used.append(self.requests)
            best = len(self.blocks) - 1
        self.last_used[best] = self.requests
        return self.blocks[best]

    def _is_unused(self, index: int) -> bool:
        """Return whether only the list of blocks refers to block `index`: that list and the call are two references."""
        return sys.getrefcount(self.blocks[index]) <= 2

    def _drop_idle(self) -> None:
        """Forget the unused blocks that no request has taken for long."""
        for index in reversed(range(len(self.blocks))):
            if self.last_used[index] < self.requests - IDLE_REQUESTS and self._is_unused(index):
                del self.blocks[index], self.last_used[index]


_kept = _Kept()
_lock = threading.Lock()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an uninitialised C-contiguous array of `shape` and `dtype`, from kept memory where that is free."""
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    if size < SMALLEST_KEPT:
        return np.empty(shape, dtype)
    with _lock:
        block = _kept.take(size)
        # Every view of a block refers to the block itself, so its reference count tells whether one is still alive.
        return block[:size].view(dtype).reshape(shape)


def _renew_lock() -> None:
    """Start with an open lock in a forked process: who held it lives on in the parent alone."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def release() -> None:
    """Forget all blocks: unused ones go back to the system now, each other one with the last array that refers to it.

    It takes no lock, as it may be called while a network is being deleted, in the middle of anything.
    """
    global _kept
    _kept = _Kept()
