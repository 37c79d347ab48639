"""Scratch memory for kernels: a row for each thread, taken from kept memory and aligned to cache lines."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.memory import empty

_CACHE_LINE = 64  # bytes; also the width of the widest vector register


def scratch(threads: int, elements: int, dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array (threads, at least `elements`) whose rows begin on a cache line each."""
    line = _CACHE_LINE // dtype.itemsize
    # One line more than needed: rows of a power of two bytes would all compete for the same cache sets.
    row = (-(-elements // line) + 1) * line
    memory = empty((threads * row + line,), dtype)
    misaligned = memory.ctypes.data % _CACHE_LINE // dtype.itemsize
    first = (line - misaligned) % line
    return memory[first : first + threads * row].reshape(threads, row)


def zeroed_scratch(threads: int, elements: int, dtype: np.dtype) -> np.ndarray:
    """Return scratch filled with zeros, for sums that a thread collects over its share of the work."""
    memory = scratch(threads, elements, dtype)
    memory.fill(0)
    return memory
