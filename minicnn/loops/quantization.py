"""Quantisation, one number at a time."""

from __future__ import annotations

import numpy as np

from minicnn.loops.windows import Pads, Pair, pixel_of, window_places


def byte(number: float, zero: int) -> int:
    """The byte nearest to number + zero; Python rounds what lies in the middle to the even one."""
    return min(max(round(number) + zero, 0), 255)


def quantize(x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """q = round(x / scale) + zero, from 0 to 255."""
    return np.array([byte(float(number) / scale, zero) for number in x.flat], float).reshape(x.shape)


def dequantize(q: np.ndarray, scale: float, zero: int, dtype: str = "float32") -> np.ndarray:
    """x = scale · (q − zero)."""
    return np.array([scale * (int(number) - zero) for number in q.flat]).reshape(q.shape)


def quantize_weight(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """q = round(weight / scale), and for each filter the scale that makes its largest weight ±127."""
    filters = weight.shape[-1]
    scale = np.array([max(abs(float(w)) for w in weight[..., f].flat) / 127 or 1.0 for f in range(filters)])
    q = np.zeros(weight.shape)
    for index in np.ndindex(weight.shape):
        q[index] = round(float(weight[index]) / scale[index[-1]])
    return q, scale


def quantized_residual(
    a: np.ndarray, b: np.ndarray, a_scale: float, a_zero: int, b_scale: float, b_zero: int, y_zero: int
) -> np.ndarray:
    """q = round(a_scale·(a − a_zero) + b_scale·(b − b_zero)) + y_zero, from 0 to 255."""
    y = np.zeros(a.shape)
    for index in np.ndindex(a.shape):
        y[index] = byte(a_scale * (int(a[index]) - a_zero) + b_scale * (int(b[index]) - b_zero), y_zero)
    return y


def quantized_max_pool2d(x: np.ndarray, size: Pair, stride: Pair, padding: Pads) -> np.ndarray:
    """The largest byte of each window, of those that lie in the picture."""
    n, height, width, channels = x.shape
    y = np.zeros((n, *window_places((height, width), size, stride, padding), channels))
    for image, i, j, c in np.ndindex(y.shape):
        places = [pixel_of((i, j), offset, stride, padding) for offset in np.ndindex(*size)]
        inside = [(row, column) for row, column in places if 0 <= row < height and 0 <= column < width]
        y[image, i, j, c] = max(int(x[image, row, column, c]) for row, column in inside)
    return y
