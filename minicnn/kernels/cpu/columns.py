"""im2col and col2im for NumPy arrays, in parallel over rows of the picture. Shapes as in `minicnn.ops.columns`."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain, whole
from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, spread
from minicnn.threads import get_threads


def im2col(x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> np.ndarray:
    """Copy every window of x into a row of a matrix: the twin of `minicnn.ops.columns.im2col`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    n, h, w, c = x.shape
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    columns = empty((n * oh * ow, kernel[0] * kernel[1] * c), x.dtype)
    by_rows = columns.reshape(n * oh, ow, *kernel, c)
    work_together(_gather, get_threads(), plain(x), by_rows, *_steps(stride, padding, dilation))
    return columns


def col2im(
    columns: np.ndarray, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> np.ndarray:
    """Add every row of the matrix back to its pixels: the twin of `minicnn.ops.columns.col2im`."""
    if columns.dtype not in FLOATS:
        return NotImplemented
    n, h, w, c = x_shape
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    x = empty(x_shape, columns.dtype)
    windows = plain(columns).reshape(n, oh, ow, *kernel, c)
    work_together(_add_back, get_threads(), windows, x, *_steps(stride, padding, dilation))
    return x


def _steps(stride: Pair, padding: Padding, dilation: Pair) -> tuple[int, ...]:
    """Return SH, SW, DH, DW, top and left, in pixels, as compiled code expects them."""
    (top, _), (left, _) = pad_amounts(padding)
    return *whole(stride), *whole(dilation), top, left


@entry
def _gather(thread, threads, x, columns, sh, sw, dh, dw, top, left):
    rows, ow, kh, kw, c = columns.shape
    oh = rows // max(x.shape[0], 1)
    first, end = share(rows, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, oh)
        for j in range(ow):
            for ky in range(kh):
                y = i * sh + ky * dh - top
                for kx in range(kw):
                    xx = j * sw + kx * dw - left
                    inside = 0 <= y < x.shape[1] and 0 <= xx < x.shape[2]
                    for channel in range(c):
                        columns[row, j, ky, kx, channel] = x[n, y, xx, channel] if inside else 0.0


@entry
def _add_back(thread, threads, columns, x, sh, sw, dh, dw, top, left):
    # A row of the picture collects from the windows over it, so no two threads ever add to the same pixel.
    _, oh, ow, kh, kw, c = columns.shape
    images, h, w, _ = x.shape
    first, end = share(images * h, thread, threads)
    for row in range(first, end):
        n, y = divmod(row, h)
        x[n, y].fill(0)
        for ky in range(kh):
            i, between = divmod(y + top - ky * dh, sh)
            if between != 0 or i < 0 or i >= oh:
                continue
            for j in range(ow):
                for kx in range(kw):
                    xx = j * sw + kx * dw - left
                    if 0 <= xx < w:
                        for channel in range(c):
                            x[n, y, xx, channel] += columns[n, i, j, ky, kx, channel]
