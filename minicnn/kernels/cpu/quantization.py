"""Bytes for numbers, and sums of bytes, for NumPy arrays: each number is read once and written once."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.elementwise import SMALLEST, flat, run_divided
from minicnn.kernels.cpu.memory import empty


def quantize(x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """Turn numbers into bytes: the twin of `minicnn.ops.quantization.quantize`."""
    if x.dtype != np.float32 or x.size < SMALLEST:
        return NotImplemented
    q = empty(x.shape, np.uint8)
    run_divided(_quantize, (flat(x), q.reshape(-1)), np.float32(scale), np.float32(zero))
    return q


def quantized_residual(
    a: np.ndarray, b: np.ndarray, a_scale: float, a_zero: int, b_scale: float, b_zero: int, y_zero: int
) -> np.ndarray:
    """Add bytes of two scales: the twin of `minicnn.ops.quantization.quantized_residual`."""
    if a.size < SMALLEST:
        return NotImplemented
    q = empty(a.shape, np.uint8)
    numbers = map(np.float32, (a_scale, a_zero, b_scale, b_zero, y_zero))
    run_divided(_add, (flat(a), flat(b), q.reshape(-1)), *numbers)
    return q


@entry
def _quantize(x, q, scale, zero):
    for e in range(x.size):
        y = np.rint(x[e] / scale) + zero
        y = np.float32(0) if y < np.float32(0) else y
        q[e] = np.uint8(np.int32(np.float32(255) if y > np.float32(255) else y))


@entry
def _add(a, b, q, a_scale, a_zero, b_scale, b_zero, y_zero):
    for e in range(a.size):
        of_a = (np.float32(a[e]) - a_zero) * a_scale
        of_b = (np.float32(b[e]) - b_zero) * b_scale
        y = np.rint(of_a + of_b) + y_zero
        y = np.float32(0) if y < np.float32(0) else y
        q[e] = np.uint8(np.int32(np.float32(255) if y > np.float32(255) else y))
