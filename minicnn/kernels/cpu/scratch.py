"""Scratch memory for kernels: a row for each thread, taken from kept memory and aligned to cache lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicnn.kernels.cpu.memory import empty

_CACHE_LINE = 64  # bytes; also the width of the widest vector register


def scratches(threads: int, sizes: Sequence[int], dtype: np.dtype) -> tuple[np.ndarray, ...]:
    """Return for each size an uninitialised array (threads, at least `size`) whose rows begin on a cache line each."""
    line = _CACHE_LINE // dtype.itemsize
    # One line more than needed: rows of a power of two bytes would all compete for the same cache sets.
    rows = [(-(-size // line) + 1) * line for size in sizes]
    memory = empty((threads * sum(rows) + line,), dtype)
    start = -(memory.__array_interface__["data"][0] // dtype.itemsize) % line
    parts = []
    for row in rows:
        parts.append(memory[start : start + threads * row].reshape(threads, row))
        start += threads * row
    return tuple(parts)


def scratch(threads: int, elements: int, dtype: np.dtype) -> np.ndarray:
    """Return one such array, (threads, at least `elements`)."""
    return scratches(threads, (elements,), dtype)[0]


def zeroed_scratch(threads: int, elements: int, dtype: np.dtype) -> np.ndarray:
    """Return scratch filled with zeros, for sums that a thread collects over its share of the work."""
    memory = scratch(threads, elements, dtype)
    memory.fill(0)
    return memory
