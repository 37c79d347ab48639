"""Max and average pooling, one window at a time."""

from __future__ import annotations

import math

import numpy as np

from minicnn.loops.windows import Pads, Pair, pixel_of, window_places


def max_pool2d(x: np.ndarray, size: Pair, stride: Pair, padding: Pads) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest element of each window and its index ky·KW + kx: of equal ones the first; NaN beats all."""
    images, height, width, channels = x.shape
    shape = (images, *window_places((height, width), size, stride, padding), channels)
    y, argmax = np.zeros(shape), np.zeros(shape, int)
    for n, i, j, c in np.ndindex(shape):
        best, where = None, 0
        for index, offset in enumerate(np.ndindex(*size)):
            row, column = pixel_of((i, j), offset, stride, padding)
            inside = 0 <= row < height and 0 <= column < width
            value = float(x[n, row, column, c]) if inside else -math.inf
            if best is None or (not math.isnan(best) and (math.isnan(value) or value > best)):
                best, where = value, index
        y[n, i, j, c], argmax[n, i, j, c] = best, where
    return y, argmax


def max_pool2d_backward(
    dy: np.ndarray, argmax: np.ndarray, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Pads
) -> np.ndarray:
    """Give each gradient to the one pixel that was the maximum."""
    dx = np.zeros(x_shape)
    for n, i, j, c in np.ndindex(dy.shape):
        offset = divmod(int(argmax[n, i, j, c]), size[1])
        row, column = pixel_of((i, j), offset, stride, padding)
        dx[n, row, column, c] += float(dy[n, i, j, c])
    return dx


def avg_pool2d(x: np.ndarray, size: Pair, stride: Pair, padding: Pads) -> np.ndarray:
    """Add up each window, zeros outside the picture, and divide by the window's whole size."""
    images, height, width, channels = x.shape
    y = np.zeros((images, *window_places((height, width), size, stride, padding), channels))
    for n, i, j, c in np.ndindex(y.shape):
        total = 0.0
        for offset in np.ndindex(*size):
            row, column = pixel_of((i, j), offset, stride, padding)
            if 0 <= row < height and 0 <= column < width:
                total += float(x[n, row, column, c])
        y[n, i, j, c] = total / (size[0] * size[1])
    return y


def avg_pool2d_backward(
    dy: np.ndarray, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Pads
) -> np.ndarray:
    """Give every pixel of a window an equal share of its gradient."""
    _, height, width, _ = x_shape
    dx = np.zeros(x_shape)
    for n, i, j, c in np.ndindex(dy.shape):
        for offset in np.ndindex(*size):
            row, column = pixel_of((i, j), offset, stride, padding)
            if 0 <= row < height and 0 <= column < width:
                dx[n, row, column, c] += float(dy[n, i, j, c]) / (size[0] * size[1])
    return dx


def global_avg_pool2d(x: np.ndarray) -> np.ndarray:
    """Average one window as large as the picture."""
    return avg_pool2d(x, x.shape[1:3], (1, 1), ((0, 0), (0, 0)))[:, 0, 0, :]


def global_avg_pool2d_backward(dy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """Give every pixel of the picture an equal share of its channel's gradient."""
    return avg_pool2d_backward(dy[:, None, None, :], x_shape, (x_shape[1], x_shape[2]), (1, 1), ((0, 0), (0, 0)))
