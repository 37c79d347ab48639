"""Dropout for CuPy arrays: the same mask as everywhere. The kernels stand in dropout.cu."""

from __future__ import annotations

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import elements, kernels_take, launch


def dropout(x: Array, rate: float, seed: int) -> tuple[Array, Array]:
    """Drop each value with probability `rate`: the twin of `minicnn.ops.dropout.dropout`."""
    if not kernels_take(x):
        return NotImplemented
    xp = array_module(x)
    y, keep = xp.empty(x.shape, dtype=x.dtype), xp.empty(x.shape, dtype="bool")
    words = (np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32), np.uint32(int(rate * 2**32)))
    arguments = (xp.ascontiguousarray(x), y, keep, x.size, *words, 1 / (1 - rate))
    launch("dropout.cu", "dropout", elements(x.size), arguments, real=x.dtype)
    return y, keep


def dropout_backward(dy: Array, keep: Array, rate: float) -> Array:
    """Let the gradient through where the value was kept: the twin of `minicnn.ops.dropout.dropout_backward`."""
    if not kernels_take(dy) or keep.dtype != np.bool_:
        return NotImplemented
    xp = array_module(dy)
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    arguments = (xp.ascontiguousarray(dy), xp.ascontiguousarray(keep), dx, dy.size, 1 / (1 - rate))
    launch("dropout.cu", "dropout_backward", elements(dy.size), arguments, real=dy.dtype)
    return dx
