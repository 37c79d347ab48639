"""im2col and col2im, one element at a time."""

from __future__ import annotations

import numpy as np

from minicnn.loops.windows import Pads, Pair, pixel_of, window_places


def im2col(x: np.ndarray, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair = (1, 1)) -> np.ndarray:
    """Write each window, read row by row, into a row of the matrix."""
    images, height, width, channels = x.shape
    rows = []
    oh, ow = window_places((height, width), kernel, stride, padding, dilation)
    for n, i, j in np.ndindex(images, oh, ow):
        row = []
        for ky, kx, c in np.ndindex(*kernel, channels):
            y, x_ = pixel_of((i, j), (ky, kx), stride, padding, dilation)
            row.append(float(x[n, y, x_, c]) if 0 <= y < height and 0 <= x_ < width else 0.0)
        rows.append(row)
    return np.array(rows)


def col2im(
    columns: np.ndarray, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pads, dilation: Pair = (1, 1)
) -> np.ndarray:
    """Add each element of the matrix to the pixel that `im2col` would have read it from."""
    images, height, width, channels = x_shape
    x = np.zeros(x_shape)
    oh, ow = window_places((height, width), kernel, stride, padding, dilation)
    for index, (n, i, j) in enumerate(np.ndindex(images, oh, ow)):
        for position, (ky, kx, c) in enumerate(np.ndindex(*kernel, channels)):
            y, x_ = pixel_of((i, j), (ky, kx), stride, padding, dilation)
            if 0 <= y < height and 0 <= x_ < width:
                x[n, y, x_, c] += float(columns[index, position])
    return x
