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

_blocks: list[np.ndarray] = []
_last_used: list[int] = []
_requests = 0
_lock = threading.Lock()


def _is_unused(index: int) -> bool:
    """Return whether only the list of blocks refers to block `index`: that list and the call are two references."""
    return sys.getrefcount(_blocks[index]) <= 2


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an uninitialised C-contiguous array of `shape` and `dtype`, from kept memory where that is free."""
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    if size < SMALLEST_KEPT:
        return np.empty(shape, dtype)
    with _lock:
        block = _take_block(size)
        # Every view of a block refers to the block itself, so its reference count tells whether one is still alive.
        return block[:size].view(dtype).reshape(shape)


def _renew_lock() -> None:
    """Start with an open lock in a forked process: who held it lives on in the parent alone."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _take_block(size: int) -> np.ndarray:
    global _requests
    _requests += 1
    best = -1
    for index in range(len(_blocks)):
        # At most a quarter of a block is wasted, so that a small array does not hold a large one's memory.
        fits = size <= _blocks[index].size <= size + size // 4
        if fits and _is_unused(index) and (best < 0 or _blocks[index].size < _blocks[best].size):
            best = index
    if best < 0:
        _drop_idle()
        _blocks.append(np.empty(size, np.uint8))
        _last_used.append(_requests)
        best = len(_blocks) - 1
    _last_used[best] = _requests
    return _blocks[best]


def _drop_idle() -> None:
    """Forget the unused blocks that no request has taken for long."""
    for index in reversed(range(len(_blocks))):
        if _last_used[index] < _requests - IDLE_REQUESTS and _is_unused(index):
            del _blocks[index], _last_used[index]
