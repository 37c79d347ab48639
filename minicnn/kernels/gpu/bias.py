"""What surrounds every matrix product of a layer: the bias (and ReLU) after it, and the bias's gradient."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import launch, lines

SPAN = 64  # rows that one thread adds up


def add_bias(y: Array, bias: Array, relu: bool) -> None:
    """Add the row `bias` (F,) to every row of y (rows, F), contiguous, in place; then max with 0 if `relu`."""
    rows, f = y.shape
    bias = array_module(bias).ascontiguousarray(bias)
    launch("bias.cu", "add_bias", lines(rows, f), (y, bias, relu, rows, f), real=y.dtype)


def sum_rows(dy: Array) -> Array:
    """Return the sum (F,) of all rows of dy (rows, F), contiguous: the gradient of a bias."""
    xp = array_module(dy)
    while True:
        rows, f = dy.shape
        slices = max(1, -(-rows // SPAN))
        sums = xp.empty((slices, f), dtype=dy.dtype)
        launch("bias.cu", "sum_slices", lines(slices, f), (dy, sums, slices, SPAN, rows, f), real=dy.dtype)
        if slices == 1:
            return sums.reshape(f)
        dy = sums
