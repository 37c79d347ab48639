"""The dense layer for NumPy arrays: its weights, by far its largest array, are read from memory once a pass.

Shapes: x (N, D); weight (D, U); bias (U,); y, dy (N, U). Forward, each thread takes its share of the D inputs and sums
up its own part of y; the parts are then added in their order, so that the same number of threads gives the same bits.
Backward, a piece of the weight's rows that fits into the cache gives the columns of dx that belong to it and receives
its rows of dweight, before the next piece is looked at.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.blas import gemm, one_blas_thread
from minicnn.kernels.cpu.compiling import contracting_entry, entry
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, team_size, work_together

SMALLEST = 1 << 18  # products: below that NumPy's BLAS uses one thread, and waking others does not pay
WIDE = 64  # units: from there on a single picture's sums are faster without BLAS, which is made for several
# OpenBLAS copies (packs) its arguments before it multiplies, which doubles the time when there are few pictures to use
# a copied weight for. It leaves that out for products of up to UNPACKED multiplications, and, where the second matrix
# is transposed, of up to UNPACKED_TRANSPOSED of its elements; so the weights are multiplied in such pieces.
UNPACKED = 1_000_000
UNPACKED_TRANSPOSED = 4096
PACKED_PIECE = 1 << 16  # weights, for many pictures: with as much of dweight it fits into the second-level cache


def dense(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Multiply by the weights and add the bias: the twin of `minicnn.ops.dense.dense`."""
    if not _takes(x, weight):
        return NotImplemented
    n, units, threads = x.shape[0], weight.shape[1], team_size(x.shape[0] * weight.size)
    y = empty((n, units), x.dtype)
    parts = empty((threads, n, units), x.dtype)
    x, weight, bias = (plain(array) for array in (x, weight, bias))
    if n == 1 and units >= WIDE:
        work_together(_sum_by_rows, threads, x[0], weight, parts)
    else:
        with one_blas_thread():
            work_together(_sum_by_products, threads, x, weight, parts, _rows_at_a_time(n, units)[0])
    np.add(parts[0], bias, out=y)
    for part in parts[1:]:
        y += part
    return y


def dense_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, input_gradient: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Turn the output's gradient into those at the inputs: the twin of `minicnn.ops.dense.dense_backward`."""
    if not _takes(x, weight):
        return NotImplemented
    dweight = empty(weight.shape, weight.dtype)
    dx = empty(x.shape if input_gradient else (1, 1), x.dtype)
    n, units = dy.shape
    rows, transposed_rows = _rows_at_a_time(n, units)
    dy, x, weight = (plain(array) for array in (dy, x, weight))
    with one_blas_thread():
        work_together(
            _backward, team_size(2 * n * weight.size), dy, x, weight, dx, dweight, rows, transposed_rows, input_gradient
        )
    return dx if input_gradient else None, dweight, dy.sum(axis=0, dtype=np.float64).astype(dy.dtype)


def _takes(x: np.ndarray, weight: np.ndarray) -> bool:
    return x.dtype in FLOATS and x.shape[0] * weight.size > SMALLEST


def _rows_at_a_time(n: int, units: int) -> tuple[int, int]:
    """Return how many of the weight's rows to multiply at a time, and how many when they are transposed."""
    rows = UNPACKED // (n * units)
    if rows < 8:
        packed = max(1, PACKED_PIECE // units)
        return packed, packed
    return rows, max(4, UNPACKED_TRANSPOSED // units)


@entry
def _sum_by_products(thread, threads, x, weight, parts, rows):
    """Fill parts[thread] (N, U) with x·weight over the thread's share of the inputs."""
    n = x.shape[0]
    inputs, units = weight.shape
    x_flat, weight_flat, part = x.reshape(-1), weight.reshape(-1), parts[thread].reshape(-1)
    begin, end = share(inputs, thread, threads)
    if begin == end:
        part.fill(0)
    for first in range(begin, end, rows):
        count, piece = min(rows, end - first), weight_flat[first * units :]
        gemm(False, False, n, units, count, x_flat[first:], inputs, piece, units, first > begin, part, units)


@contracting_entry
def _sum_by_rows(thread, threads, x, weight, parts):
    """Fill parts[thread] as `_sum_by_products` does for one picture x (D,), eight rows of the weight at a time."""
    units = weight.shape[1]
    begin, end = share(weight.shape[0], thread, threads)
    by_eight = begin + (end - begin) // 8 * 8
    part = parts[thread, 0]
    part.fill(0)
    for d in range(begin, by_eight, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = x[d], x[d + 1], x[d + 2], x[d + 3], x[d + 4], x[d + 5], x[d + 6], x[d + 7]
        for u in range(units):
            first = x0 * weight[d, u] + x1 * weight[d + 1, u] + x2 * weight[d + 2, u] + x3 * weight[d + 3, u]
            second = x4 * weight[d + 4, u] + x5 * weight[d + 5, u] + x6 * weight[d + 6, u] + x7 * weight[d + 7, u]
            part[u] += first + second
    for d in range(by_eight, end):
        for u in range(units):
            part[u] += x[d] * weight[d, u]


@entry
def _backward(thread, threads, dy, x, weight, dx, dweight, rows, transposed_rows, input_gradient):
    """Fill the columns of dx and the rows of dweight that belong to the thread's share of the inputs."""
    n, units = dy.shape
    inputs = x.shape[1]
    dy_flat, x_flat, weight_flat = dy.reshape(-1), x.reshape(-1), weight.reshape(-1)
    dx_flat, dweight_flat = dx.reshape(-1), dweight.reshape(-1)
    begin, end = share(inputs, thread, threads)
    for first in range(begin, end, rows):
        past = min(first + rows, end)
        piece = dweight_flat[first * units :]
        gemm(True, False, past - first, units, n, x_flat[first:], inputs, dy_flat, units, False, piece, units)
        if input_gradient:
            for d in range(first, past, transposed_rows):
                count, piece = min(transposed_rows, past - d), weight_flat[d * units :]
                gemm(False, True, n, count, units, dy_flat, units, piece, units, False, dx_flat[d:], inputs)
