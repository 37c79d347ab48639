"""Batch normalisation for NumPy arrays: in training as a block without residual and ReLU, in inference in one pass."""

from __future__ import annotations

from math import inf

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.elementwise import flat, threads_for
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.norm_block import (
    norm_block,
    norm_block_backward,
    normalise,
    row_length,
    sum_gradients,
)
from minicnn.kernels.cpu.team import work_together


def batch_norm(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalise each channel by its own statistics: the twin of `minicnn.ops.batch_norm.batch_norm`."""
    return norm_block(x, weight, bias, epsilon, None, False)


def batch_norm_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients by all three paths: the twin of `minicnn.ops.batch_norm.batch_norm_backward`."""
    gradients = norm_block_backward(dy, x, x, weight, mean, variance, epsilon, False, False)
    return NotImplemented if gradients is NotImplemented else gradients[:3]


def batch_norm_inference(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> np.ndarray:
    """Normalise each channel by given statistics: the twin of `minicnn.ops.batch_norm.batch_norm_inference`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    return _scaled(x, mean, weight / np.sqrt(variance + epsilon), bias)


def batch_norm_inference_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients by one path: the twin of `minicnn.ops.batch_norm.batch_norm_inference_backward`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    source, zeros, deviation = flat(x), np.zeros_like(weight), np.sqrt(variance + epsilon)
    sums = sum_gradients(dy, source, source, plain(mean), dy, relu=False)
    dbias, products, _ = sums.reshape(len(sums), 3, -1, weight.size).sum(axis=(0, 2))
    dx = _scaled(dy, zeros, weight / deviation, zeros)
    return dx, (products / deviation).astype(x.dtype), dbias.astype(x.dtype)


def _scaled(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return (x − mean)·scale + bias, the three (C,)."""
    line, y = flat(x), empty(x.shape, x.dtype)
    terms = np.empty((3, row_length(mean.size)), x.dtype)
    terms.reshape(3, -1, mean.size)[:] = np.stack([mean, scale, bias])[:, None]
    work_together(normalise, threads_for(x.size), line, terms, line, y.reshape(-1), False, False, inf)
    return y
