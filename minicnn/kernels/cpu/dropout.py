"""Inverted dropout for NumPy arrays: mask and product in one pass over memory. Shapes as in `minicnn.ops.dropout`."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.elementwise import flat, run_divided, takes, threads_for
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together


def dropout(x: np.ndarray, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop each value with probability `rate`: the twin of `minicnn.ops.dropout.dropout`."""
    if not takes(x):
        return NotImplemented
    y, keep = empty(x.shape, x.dtype), empty(x.shape, np.bool_)
    low, high, smallest = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32), np.uint32(rate * 2**32)
    work_together(
        _dropout, threads_for(x.size), flat(x), x.dtype.type(1 / (1 - rate)), low, high, smallest, y.reshape(-1),
        keep.reshape(-1),
    )  # fmt: skip
    return y, keep


def dropout_backward(dy: np.ndarray, keep: np.ndarray, rate: float) -> np.ndarray:
    """Let the gradient through where the value was kept: the twin of `minicnn.ops.dropout.dropout_backward`."""
    if not takes(dy) or keep.dtype != np.bool_:
        return NotImplemented
    dx = empty(dy.shape, dy.dtype)
    run_divided(_dropout_backward, (flat(dy), flat(keep), dx.reshape(-1)), dy.dtype.type(1 / (1 - rate)))
    return dx


@inner
def _times(word, factor):
    """Multiply in 32 bits: the product of two 32-bit words fits in 64, and its upper half is thrown away."""
    return np.uint32((np.uint64(word) * np.uint64(factor)) & np.uint64(0xFFFFFFFF))


@inner
def _hash(word):
    """Mix a 32-bit word: MurmurHash3's finalizer."""
    word = _times(np.uint32(word ^ (word >> np.uint32(16))), 0x85EBCA6B)
    word = _times(np.uint32(word ^ (word >> np.uint32(13))), 0xC2B2AE35)
    return np.uint32(word ^ (word >> np.uint32(16)))


@entry
def _dropout(thread, threads, x, scale, low, high, smallest, y, keep):
    first, end = share(x.size, thread, threads)
    x, y, keep = x[first:end], y[first:end], keep[first:end]
    for i in range(x.size):
        kept = _hash(np.uint32(_hash(np.uint32(np.uint32(first + i) ^ low)) ^ high)) >= smallest
        keep[i] = kept
        y[i] = x[i] * (scale if kept else 0 * scale)


@entry
def _dropout_backward(dy, keep, dx, scale):
    for i in range(dy.size):
        dx[i] = dy[i] * (scale if keep[i] else 0 * scale)
