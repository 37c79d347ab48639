"""Max and average pooling for CuPy arrays. Shapes as in `minicnn.ops.pooling`; the kernels stand in pooling.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import kernels_take, launch, lines
from minicnn.ops.pooling import argmax_dtype
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts


def max_pool2d(
    x: Array, size: Pair, stride: Pair, padding: Padding, indices: bool = True
) -> tuple[Array, Array | None]:
    """Keep the largest value of each window and where it was: the twin of `minicnn.ops.pooling.max_pool2d`."""
    if not kernels_take(x):
        return NotImplemented
    xp = array_module(x)
    sizes, shape = window_sizes(x.shape, size, stride, padding)
    y, argmax = xp.empty(shape, dtype=x.dtype), xp.empty(shape if indices else (0,), dtype=argmax_dtype(size))
    pixels = shape[0] * shape[1] * shape[2]
    arguments = (xp.ascontiguousarray(x), y, argmax, indices, pixels, *sizes)
    launch("pooling.cu", "max_pool", lines(pixels, shape[3]), arguments, real=x.dtype, index=argmax.dtype)
    return y, argmax if indices else None


def max_pool2d_backward(
    dy: Array, argmax: Array, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Give each gradient to its window's maximum: the twin of `minicnn.ops.pooling.max_pool2d_backward`."""
    xp = array_module(dy)
    dx = xp.empty(x_shape, dtype=dy.dtype)
    if not kernels_take(dx) or argmax.dtype != argmax_dtype(size):
        return NotImplemented
    sizes, _ = window_sizes(x_shape, size, stride, padding)
    dy = xp.ascontiguousarray(dy)
    pixels = x_shape[0] * x_shape[1] * x_shape[2]
    arguments = (dy, dy, False, xp.ascontiguousarray(argmax), dx, pixels, *sizes)  # no ReLU: its y is not looked at
    launch("pooling.cu", "max_pool_backward", lines(pixels, x_shape[3]), arguments, real=dy.dtype, index=argmax.dtype)
    return dx


def avg_pool2d(x: Array, size: Pair, stride: Pair, padding: Padding) -> Array:
    """Average each window: the twin of `minicnn.ops.pooling.avg_pool2d`."""
    if not kernels_take(x):
        return NotImplemented
    xp = array_module(x)
    sizes, shape = window_sizes(x.shape, size, stride, padding)
    y = xp.empty(shape, dtype=x.dtype)
    pixels = shape[0] * shape[1] * shape[2]
    arguments = (xp.ascontiguousarray(x), y, pixels, *sizes)
    launch("pooling.cu", "avg_pool", lines(pixels, shape[3]), arguments, real=x.dtype)
    return y


def avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding) -> Array:
    """Spread each gradient over its window: the twin of `minicnn.ops.pooling.avg_pool2d_backward`."""
    xp = array_module(dy)
    dx = xp.empty(x_shape, dtype=dy.dtype)
    if not kernels_take(dx):
        return NotImplemented
    sizes, _ = window_sizes(x_shape, size, stride, padding)
    pixels = x_shape[0] * x_shape[1] * x_shape[2]
    arguments = (xp.ascontiguousarray(dy), dx, pixels, *sizes)
    launch("pooling.cu", "avg_pool_backward", lines(pixels, x_shape[3]), arguments, real=dy.dtype)
    return dx


def global_avg_pool2d(x: Array) -> Array:
    """Average each channel over the whole picture: the twin of `minicnn.ops.pooling.global_avg_pool2d`."""
    if not kernels_take(x):
        return NotImplemented
    xp = array_module(x)
    n, h, w, c = x.shape
    y = xp.empty((n, c), dtype=x.dtype)
    launch("pooling.cu", "global_avg_pool", lines(n, c), (xp.ascontiguousarray(x), y, n, h * w, c), real=x.dtype)
    return y


def global_avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...]) -> Array:
    """Spread each gradient over its picture: the twin of `minicnn.ops.pooling.global_avg_pool2d_backward`."""
    xp = array_module(dy)
    dx = xp.empty(x_shape, dtype=dy.dtype)
    if not kernels_take(dx):
        return NotImplemented
    n, h, w, c = x_shape
    arguments = (xp.ascontiguousarray(dy), dx, n * h * w, h * w, c)
    launch("pooling.cu", "global_avg_pool_backward", lines(n * h * w, c), arguments, real=dy.dtype)
    return dx


def window_sizes(
    x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers that every pooling kernel takes, H, W, C, OH, OW, KH, KW, SH, SW, top, left; and y's shape."""
    n, h, w, c = x_shape
    oh, ow = output_size((h, w), size, stride, padding)
    (top, _), (left, _) = pad_amounts(padding)
    return (h, w, c, oh, ow, *size, *stride, top, left), (n, oh, ow, c)
