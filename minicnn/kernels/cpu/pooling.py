"""Max and average pooling for NumPy arrays, in parallel over rows of the picture. Shapes as in `minicnn.ops.pooling`.

Forward, a row of the output reads its windows; backward, a row of the input collects from the windows over it, so that
no two threads ever write to the same element. The innermost loops run over channels, which are contiguous.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain, whole
from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.elementwise import threads_for
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together
from minicnn.ops.pooling import argmax_dtype
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts
from minicnn.threads import get_threads


def max_pool2d(
    x: np.ndarray, size: Pair, stride: Pair, padding: Padding, indices: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Keep the largest value of each window and where it was: the twin of `minicnn.ops.pooling.max_pool2d`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    shape = (x.shape[0], *output_size((x.shape[1], x.shape[2]), size, stride, padding), x.shape[3])
    y = empty(shape, x.dtype)
    if not indices:
        work_together(_max_alone, get_threads(), plain(x), y, *_numbers(size, stride, padding))
        return y, None
    argmax = empty(shape, argmax_dtype(size))
    work_together(_max_forward, get_threads(), plain(x), y, argmax, *_numbers(size, stride, padding))
    return y, argmax


def max_pool2d_backward(
    dy: np.ndarray, argmax: np.ndarray, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Give each gradient to its window's maximum: the twin of `minicnn.ops.pooling.max_pool2d_backward`."""
    if dy.dtype not in FLOATS or argmax.dtype != argmax_dtype(size):
        return NotImplemented
    dx = empty(x_shape, dy.dtype)
    work_together(_max_backward, get_threads(), plain(dy), plain(argmax), dx, *_numbers(size, stride, padding))
    return dx


def avg_pool2d(x: np.ndarray, size: Pair, stride: Pair, padding: Padding) -> np.ndarray:
    """Average each window: the twin of `minicnn.ops.pooling.avg_pool2d`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    y = empty((x.shape[0], *output_size((x.shape[1], x.shape[2]), size, stride, padding), x.shape[3]), x.dtype)
    work_together(_average_forward, get_threads(), plain(x), y, *_numbers(size, stride, padding))
    return y


def avg_pool2d_backward(
    dy: np.ndarray, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Spread each gradient over its window: the twin of `minicnn.ops.pooling.avg_pool2d_backward`."""
    if dy.dtype not in FLOATS:
        return NotImplemented
    dx = empty(x_shape, dy.dtype)
    work_together(_average_backward, get_threads(), plain(dy), dx, *_numbers(size, stride, padding))
    return dx


def global_avg_pool2d(x: np.ndarray) -> np.ndarray:
    """Average each channel over the whole picture: the twin of `minicnn.ops.pooling.global_avg_pool2d`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    shape = (x.shape[0], x.shape[3])
    y, totals = empty(shape, x.dtype), empty(shape, np.float64)
    work_together(_global_forward, threads_for(x.size), plain(x), totals, y)
    return y


def global_avg_pool2d_backward(dy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """Spread each gradient over its picture: the twin of `minicnn.ops.pooling.global_avg_pool2d_backward`."""
    if dy.dtype not in FLOATS:
        return NotImplemented
    dx = empty(x_shape, dy.dtype)
    share_of_a_pixel = plain(dy / (x_shape[1] * x_shape[2]))
    work_together(_global_backward, threads_for(dx.size), share_of_a_pixel, dx)
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
def _max_alone(thread, threads, x, y, kh, kw, sh, sw, top, left):
    images, oh, ow, channels = y.shape
    _, h, w, _ = x.shape
    first, end = share(images * oh, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, oh)
        for j in range(ow):
            best = y[n, i, j]
            best.fill(-np.inf)
            for ky in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for kx in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    pixel = x[n, i * sh + ky - top, j * sw + kx - left]
                    for c in range(channels):
                        better = not (pixel[c] <= best[c]) and best[c] == best[c]
                        best[c] = pixel[c] if better else best[c]


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


@entry
def _global_forward(thread, threads, x, totals, y):
    images, h, w, channels = x.shape
    first, end = share(images, thread, threads)
    for n in range(first, end):
        total = totals[n]
        total.fill(0)
        for i in range(h):
            for j in range(w):
                pixel = x[n, i, j]
                for c in range(channels):
                    total[c] += pixel[c]
        for c in range(channels):
            y[n, c] = total[c] / (h * w)


@entry
def _global_backward(thread, threads, share_of_a_pixel, dx):
    images, h, w, channels = dx.shape
    first, end = share(images * h, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, h)
        for j in range(w):
            for c in range(channels):
                dx[n, i, j, c] = share_of_a_pixel[n, c]
