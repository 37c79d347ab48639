"""Max and average pooling for NumPy arrays, in parallel over rows of the picture. Shapes as in `minicnn.ops.pooling`.

Forward, a row of the output reads its windows; backward, a row of the input collects from the windows over it, so that
no two threads ever write to the same element. The innermost loops run over channels, which are contiguous.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain, whole
from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together
from minicnn.ops.pooling import argmax_dtype, require_pooling_padding
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, require_shape
from minicnn.threads import get_threads


def max_pool2d(x: np.ndarray, size: Pair, stride: Pair, padding: Padding) -> tuple[np.ndarray, np.ndarray]:
    """Keep the largest value of each window and where it was: the twin of `minicnn.ops.pooling.max_pool2d`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    require_shape(x.ndim == 4, "max_pool2d", x=x.shape)
    require_pooling_padding(size, padding)
    shape = (x.shape[0], *output_size((x.shape[1], x.shape[2]), size, stride, padding), x.shape[3])
    y, argmax = empty(shape, x.dtype), empty(shape, argmax_dtype(size))
    work_together(_max_forward, get_threads(), plain(x), y, argmax, *_numbers(size, stride, padding))
    return y, argmax


def max_pool2d_backward(
    dy: np.ndarray, argmax: np.ndarray, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Give each gradient to its window's maximum: the twin of `minicnn.ops.pooling.max_pool2d_backward`."""
    if dy.dtype not in FLOATS:
        return NotImplemented
    outputs = output_size((x_shape[1], x_shape[2]), size, stride, padding)
    require_shape(
        dy.shape == argmax.shape == (x_shape[0], *outputs, x_shape[3]),
        "max_pool2d_backward", dy=dy.shape, argmax=argmax.shape, x_shape=x_shape,
    )  # fmt: skip
    if argmax.dtype != argmax_dtype(size):
        return NotImplemented
    dx = empty(x_shape, dy.dtype)
    work_together(_max_backward, get_threads(), plain(dy), plain(argmax), dx, *_numbers(size, stride, padding))
    return dx


def avg_pool2d(x: np.ndarray, size: Pair, stride: Pair, padding: Padding) -> np.ndarray:
    """Average each window: the twin of `minicnn.ops.pooling.avg_pool2d`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    require_shape(x.ndim == 4, "avg_pool2d", x=x.shape)
    require_pooling_padding(size, padding)
    y = empty((x.shape[0], *output_size((x.shape[1], x.shape[2]), size, stride, padding), x.shape[3]), x.dtype)
    work_together(_average_forward, get_threads(), plain(x), y, *_numbers(size, stride, padding))
    return y


def avg_pool2d_backward(
    dy: np.ndarray, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Spread each gradient over its window: the twin of `minicnn.ops.pooling.avg_pool2d_backward`."""
    if dy.dtype not in FLOATS:
        return NotImplemented
    outputs = output_size((x_shape[1], x_shape[2]), size, stride, padding)
    require_shape(dy.shape == (x_shape[0], *outputs, x_shape[3]), "avg_pool2d_backward", dy=dy.shape, x_shape=x_shape)
    dx = empty(x_shape, dy.dtype)
    work_together(_average_backward, get_threads(), plain(dy), dx, *_numbers(size, stride, padding))
    return dx


def _numbers(size: Pair, stride: Pair, padding: Padding) -> tuple[int, ...]:
    """Return KH, KW, SH, SW, top and left, in pixels, as compiled code expects them."""
    (top, _), (left, _) = pad_amounts(padding)
    return *whole(size), *whole(stride), top, left


@entry
def _max_forward(thread, threads, x, y, argmax, kh, kw, sh, sw, top, left):
    images, oh, ow, channels = y.shape
    _, h, w, _ = x.shape
    first, end = share(images * oh, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, oh)
        for j in range(ow):
            best, where = y[n, i, j], argmax[n, i, j]
            best.fill(-np.inf)
            where.fill(0)
            for ky in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for kx in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    pixel = x[n, i * sh + ky - top, j * sw + kx - left]
                    index = ky * kw + kx
                    for c in range(channels):
                        # `not <=` is true for a greater number and for NaN; the first NaN stays.
                        better = not (pixel[c] <= best[c]) and best[c] == best[c]
                        best[c] = pixel[c] if better else best[c]
                        where[c] = index if better else where[c]


@entry
def _max_backward(thread, threads, dy, argmax, dx, kh, kw, sh, sw, top, left):
    images, h, w, channels = dx.shape
    _, oh, ow, _ = dy.shape
    first, end = share(images * h, thread, threads)
    for row in range(first, end):
        n, y = divmod(row, h)
        dx[n, y].fill(0)
        for i in range(max(0, (y + top - kh + sh) // sh), min(oh, (y + top) // sh + 1)):
            ky = y + top - i * sh
            for j in range(ow):
                gradient, where = dy[n, i, j], argmax[n, i, j]
                for kx in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    pixel = dx[n, y, j * sw + kx - left]
                    index = ky * kw + kx
                    for c in range(channels):
                        pixel[c] += gradient[c] if where[c] == index else 0.0


@entry
def _average_forward(thread, threads, x, y, kh, kw, sh, sw, top, left):
    images, oh, ow, channels = y.shape
    _, h, w, _ = x.shape
    first, end = share(images * oh, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, oh)
        for j in range(ow):
            total = y[n, i, j]
            total.fill(0)
            for ky in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for kx in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    pixel = x[n, i * sh + ky - top, j * sw + kx - left]
                    for c in range(channels):
                        total[c] += pixel[c]
            for c in range(channels):
                total[c] /= kh * kw


@entry
def _average_backward(thread, threads, dy, dx, kh, kw, sh, sw, top, left):
    images, h, w, channels = dx.shape
    _, oh, ow, _ = dy.shape
    first, end = share(images * h, thread, threads)
    for row in range(first, end):
        n, y = divmod(row, h)
        dx[n, y].fill(0)
        for i in range(max(0, (y + top - kh + sh) // sh), min(oh, (y + top) // sh + 1)):
            for j in range(ow):
                gradient = dy[n, i, j]
                for kx in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    pixel = dx[n, y, j * sw + kx - left]
                    for c in range(channels):
                        pixel[c] += gradient[c] / (kh * kw)
