"""Convolution and dense layer with bytes, one multiplication at a time."""

from __future__ import annotations

import numpy as np

from minicnn.loops.convolution import NONE, terms
from minicnn.loops.quantization import byte
from minicnn.loops.windows import Pads, Pair, window_places


def quantized_conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, scale: np.ndarray, x_zero: int, y_zero: int | None,
    stride: Pair = (1, 1), padding: Pads = NONE, groups: int = 1, dilation: Pair = (1, 1),
) -> np.ndarray:  # fmt: skip
    """q = round(scale[f] · (Σ (x − x_zero)·weight + bias[f])) + y_zero, from 0 to 255; or that without the rounding."""
    kh, kw, _, filters = weight.shape
    y = np.zeros((x.shape[0], *window_places(x.shape[1:3], (kh, kw), stride, padding, dilation), filters))
    for n, i, j, f in np.ndindex(y.shape):
        total = int(bias[f])
        for (ky, kx, c), row, column, channel in terms(x, weight, (i, j), f, stride, padding, groups, dilation):
            total += (int(x[n, row, column, channel]) - x_zero) * int(weight[ky, kx, c, f])
        y[n, i, j, f] = _finished(total, scale[f], y_zero)
    return y


def quantized_dense(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, scale: np.ndarray, x_zero: int, y_zero: int | None
) -> np.ndarray:
    """q = round(scale[u] · (Σ_d (x − x_zero)·weight + bias[u])) + y_zero, from 0 to 255; or without the rounding."""
    y = np.zeros((x.shape[0], weight.shape[1]))
    for n, u in np.ndindex(y.shape):
        total = int(bias[u]) + sum((int(x[n, d]) - x_zero) * int(weight[d, u]) for d in range(x.shape[1]))
        y[n, u] = _finished(total, scale[u], y_zero)
    return y


def _finished(total: int, scale: np.floating, y_zero: int | None) -> float:
    """The sum is brought to the scale's own precision and multiplied there, as rounding depends on the last digit."""
    y = float(scale.dtype.type(total) * scale)
    return y if y_zero is None else byte(y, y_zero)
