"""Strips: the pieces in which every convolution kernel works through a picture.

A strip is a few rows of the convolution's output z, so few that all a thread needs for them stays in its L2 cache: the
input rows under them, what the algorithm makes of these, and z itself. So z, the largest array of a network, never
travels to main memory when it is pooled at once:

    forward     load_strip   x → padded      the algorithm   padded → z          finish_strip   z → bias, ReLU, pool → y
    backward    gradient_strip  dy, y, argmax → dz     the algorithm  padded, dz → dweight, dpadded     add_strip → dx

Threads take equal, contiguous shares of all strips of all pictures, so a single picture is shared too, and the same
thread count always adds in the same order: results are the same bit for bit.

Shapes: x (N, H, W·C); padded (rows, columns·C), the zero-padded input rows under a strip; z and dz (rows, ZW, F);
y, dy, argmax (N, YH, YW, F). The scratch for z may be larger than needed. Rows and columns of z behind the last pooling
window are not computed (but for what completes a tile).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from minicnn.kernels.cpu.team import share
from minicnn.ops.pooling import require_pooling_padding
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts


class Block(NamedTuple):
    """The geometry of convolution [+ ReLU] [+ max-pool] as plain numbers, for compiled code; lengths in pixels."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    top: int
    left: int
    channels: int
    filters: int
    z_height: int  # rows and columns of the convolution's output that are needed
    z_width: int
    y_height: int
    y_width: int
    relu: bool
    pooled: bool
    pool_h: int
    pool_w: int
    pool_stride_h: int
    pool_stride_w: int
    pool_top: int
    pool_left: int


def block_geometry(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
) -> Block:  # fmt: skip
    """Return the block's geometry.

    Raises ShapeError when a window does not fit, or a pooling window may lie in the padding alone.
    """
    settings = map(_as_tuples, (stride, padding, relu, pool_size, pool_stride, pool_padding))
    return _block_geometry(x_shape, weight_shape, *settings)


def _as_tuples(setting: Any) -> Any:
    return tuple(map(_as_tuples, setting)) if isinstance(setting, list) else setting


@functools.lru_cache(maxsize=1024)  # a network asks for the same few blocks at every step
def _block_geometry(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
) -> Block:  # fmt: skip
    kh, kw, c, f = weight_shape
    (top, _), (left, _) = pad_amounts(padding)
    z = output_size((x_shape[1], x_shape[2]), (kh, kw), stride, padding)
    convolution = (kh, kw, *stride, top, left, c, f)
    if pool_size is None:
        return Block(*convolution, *z, *z, relu, False, 1, 1, 1, 1, 0, 0)
    require_pooling_padding(pool_size, pool_padding)
    (pool_top, _), (pool_left, _) = pad_amounts(pool_padding)
    y = output_size(z, pool_size, pool_stride, pool_padding)
    used = (
        min(z[0], (y[0] - 1) * pool_stride[0] - pool_top + pool_size[0]),
        min(z[1], (y[1] - 1) * pool_stride[1] - pool_left + pool_size[1]),
    )
    return Block(*convolution, *used, *y, relu, True, *pool_size, *pool_stride, pool_top, pool_left)


def products(block: Block, images: int) -> int:
    """Return how many multiplications the plain convolution of `images` pictures takes."""
    window = block.kernel_h * block.kernel_w * block.channels
    return images * block.z_height * block.z_width * window * block.filters


def rows_per_strip(rows: int, images: int, threads: int, affordable: int) -> int:
    """Return how many of a picture's rows make a strip: as many as are affordable, with work for every thread."""
    strips = max(-(-rows // max(affordable, 1)), min(rows, -(-4 * threads // images)))
    return -(-rows // strips)


@njit(error_model="numpy")
def z_rows_under(block, y_from, y_to):
    """Return the first row of z, and the one after the last, that rows y_from…y_to−1 of y read."""
    if not block.pooled:
        return y_from, y_to
    first = y_from * block.pool_stride_h - block.pool_top
    last = (y_to - 1) * block.pool_stride_h - block.pool_top + block.pool_h
    return max(first, 0), min(last, block.z_height)


@njit(error_model="numpy")
def copy_row(source, target):
    """Copy `source` to the beginning of `target`."""
    for e in range(source.size):
        target[e] = source[e]


@njit(error_model="numpy")
def add_row(source, target):
    """Add `source` to the beginning of `target`."""
    for e in range(source.size):
        target[e] += source[e]


@njit(error_model="numpy")
def load_strip(x, n, first_row, block, padded):
    """Copy the rows of picture n from first_row on, which may lie outside, into `padded`, with zeros around them."""
    height, width = x.shape[1], x.shape[2]
    before = min(block.left * block.channels, padded.shape[1])
    copied = min(width, padded.shape[1] - before)
    for row in range(padded.shape[0]):
        target = padded[row]
        if first_row + row < 0 or first_row + row >= height:
            target.fill(0)
            continue
        source = x[n, first_row + row]
        target[:before].fill(0)
        copy_row(source[:copied], target[before:])
        target[before + copied :].fill(0)


@njit(error_model="numpy")
def add_strip(dpadded, dx, n, z_from, z_to, own_from, block, seam):
    """Bring the gradient of the padded rows under z_from…z_to−1 back to picture n, dropping the padding's own.

    Strips overlap by KH − SH rows, which earlier strips have begun: those are added to, the rows after them are set.
    own_from is the thread's first row of z in this picture. Where that is not 0, the rows that another thread has begun
    are collected in `seam`, for `add_seams`.
    """
    height, width = dx.shape[1], dx.shape[2]
    overlap = max(block.kernel_h - block.stride_h, 0)
    first_row = z_from * block.stride_h - block.top
    begun = first_row + overlap if z_from > 0 else 0
    foreign = own_from * block.stride_h - block.top + overlap if own_from > 0 else 0
    before = min(block.left * block.channels, dpadded.shape[1])
    copied = min(width, dpadded.shape[1] - before)
    for row in range(max(0, -first_row), min(dpadded.shape[0], height - first_row)):
        source, y = dpadded[row, before : before + copied], first_row + row
        if y < foreign:
            add_row(source, seam[y - foreign + overlap])
        elif y < begun:
            add_row(source, dx[n, y])
        else:
            copy_row(source, dx[n, y])
            dx[n, y, copied:].fill(0)
    if z_to == block.z_height:
        for y in range(max(0, first_row + dpadded.shape[0]), height):
            dx[n, y].fill(0)


@njit(error_model="numpy")
def padded_rows(block, z_rows):
    """Return how many padded input rows lie under so many rows of z, those between strides included."""
    return (z_rows - 1) * block.stride_h + max(block.kernel_h, block.stride_h)


@njit(cache=True, error_model="numpy")
def add_seams(dx, seams, block, strip_rows):
    """Add what threads that began within a picture collected for the rows of the thread before them."""
    strips = -(-block.z_height // strip_rows)
    overlap = max(block.kernel_h - block.stride_h, 0)
    for thread in range(1, seams.shape[0]):
        n, strip = divmod(share(dx.shape[0] * strips, thread, seams.shape[0])[0], strips)
        first_row = strip * strip_rows * block.stride_h - block.top
        if strip > 0:
            for row in range(max(0, -first_row), min(overlap, dx.shape[1] - first_row)):
                add_row(seams[thread, row], dx[n, first_row + row])


@njit(error_model="numpy")
def finish_strip(z, z_from, bias, block, n, y_from, y_to, y, argmax):
    """Turn a strip of z into rows y_from…y_to−1 of y: add the bias, apply ReLU, take the maximum of each window."""
    if not block.pooled:
        _add_bias(z, bias, block.relu, y[n, y_from:y_to])
    elif (
        block.pool_h == 2 and block.pool_w == 2 and block.pool_stride_h == 2 and block.pool_stride_w == 2
        and block.pool_top == 0 and block.pool_left == 0
        and 2 * block.y_height <= block.z_height and 2 * block.y_width <= block.z_width  # no window hangs over an edge
    ):  # fmt: skip
        _pool_2x2(z, bias, block.relu, y[n, y_from:y_to], argmax[n, y_from:y_to])
    else:
        _pool_any(z, z_from, bias, block, n, y_from, y_to, y, argmax)


@njit(error_model="numpy")
def _add_bias(z, bias, relu, y):
    zero = bias.dtype.type(0)  # a plain 0 would turn float32 into float64
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            source, pixel = z[i, j], y[i, j]
            for f in range(bias.size):
                value = source[f] + bias[f]
                pixel[f] = zero if relu and value <= zero else value  # `<=` is false for NaN, which stays


@njit(error_model="numpy")
def _pool_2x2(z, bias, relu, y, argmax):
    zero = bias.dtype.type(0)
    lowest = zero if relu else bias.dtype.type(-np.inf)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            a, b, c, d = z[2 * i, 2 * j], z[2 * i, 2 * j + 1], z[2 * i + 1, 2 * j], z[2 * i + 1, 2 * j + 1]
            pixel, where = y[i, j], argmax[i, j]
            for f in range(bias.size):
                best, index = _larger(a[f] + bias[f], 0, lowest, 0)
                best, index = _larger(b[f] + bias[f], 1, best, index)
                best, index = _larger(c[f] + bias[f], 2, best, index)
                best, index = _larger(d[f] + bias[f], 3, best, index)
                pixel[f] = best
                where[f] = index


@njit(error_model="numpy")
def _larger(candidate, index, best, best_index):
    """Return the candidate with its index if it is larger than the best so far, or the first NaN."""
    # `&`, not `and`, and two choices of one value each: so that the compiler can do without branches.
    larger = (not candidate <= best) & (best == best)
    return candidate if larger else best, np.int32(index) if larger else np.int32(best_index)


@njit(error_model="numpy")
def _pool_any(z, z_from, bias, block, n, y_from, y_to, y, argmax):
    for i in range(y_from, y_to):
        row = i * block.pool_stride_h - block.pool_top
        for j in range(block.y_width):
            column = j * block.pool_stride_w - block.pool_left
            first_ky, first_kx = max(0, -row), max(0, -column)
            pixel, where = y[n, i, j], argmax[n, i, j]
            # After ReLU no value is below 0: the first pixel inside the picture is the maximum until a greater comes.
            pixel.fill(0 if block.relu else -np.inf)
            where.fill(first_ky * block.pool_w + first_kx if block.relu else 0)
            for ky in range(first_ky, min(block.pool_h, block.z_height - row)):
                for kx in range(first_kx, min(block.pool_w, block.z_width - column)):
                    index, candidates = ky * block.pool_w + kx, z[row + ky - z_from, column + kx]
                    for f in range(bias.size):
                        pixel[f], where[f] = _larger(candidates[f] + bias[f], index, pixel[f], where[f])


@njit(error_model="numpy")
def gradient_strip(dy, y, argmax, block, n, z_from, z_to, dz, dbias):
    """Fill dz, rows z_from…z_to−1 of the gradient at the convolution's output, and add it up into dbias.

    dz may reach beyond the needed rows and columns of z: there it is left alone.
    """
    if not block.pooled:
        _mask(dy[n, z_from:z_to], y[n, z_from:z_to], block.relu, dz, dbias)
    elif (
        block.pool_h == 2 and block.pool_w == 2 and block.pool_stride_h == 2 and block.pool_stride_w == 2
        and block.pool_top == 0 and block.pool_left == 0 and z_from % 2 == 0 and z_to % 2 == 0
        and 2 * block.y_width <= block.z_width
    ):  # fmt: skip
        rows = slice(z_from // 2, z_to // 2)
        _unpool_2x2(dy[n, rows], y[n, rows], argmax[n, rows], block.relu, dz, dbias)
    else:
        _unpool_any(dy, y, argmax, block, n, z_from, z_to, dz, dbias)


@njit(error_model="numpy")
def _mask(dy, y, relu, dz, dbias):
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            _let_through(dy[i, j], y[i, j], relu, dz[i, j])
            add_row(dz[i, j], dbias)


@njit(error_model="numpy")
def _let_through(gradient, activation, relu, result):
    """Set `result` to the gradient where ReLU let the value through, else to 0."""
    zero = gradient.dtype.type(0)
    if relu:
        for f in range(gradient.size):
            result[f] = gradient[f] if activation[f] > zero else zero
    else:
        for f in range(gradient.size):
            result[f] = gradient[f]


@njit(error_model="numpy")
def _unpool_2x2(dy, y, argmax, relu, dz, dbias):
    zero = dz.dtype.type(0)
    masked = np.empty(dbias.size, dz.dtype)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            where = argmax[i, j]
            _let_through(dy[i, j], y[i, j], relu, masked)
            add_row(masked, dbias)
            # One pixel at a time: for four outputs in one loop the compiler would not prove that they do not overlap.
            for ky in range(2):
                for kx in range(2):
                    pixel, index = dz[2 * i + ky, 2 * j + kx], where.dtype.type(2 * ky + kx)
                    for f in range(masked.size):
                        pixel[f] = masked[f] if where[f] == index else zero


@njit(error_model="numpy")
def _unpool_any(dy, y, argmax, block, n, z_from, z_to, dz, dbias):
    zero = dz.dtype.type(0)
    masked = np.empty(dbias.size, dz.dtype)
    dz[: z_to - z_from].fill(0)
    # A row of z lies in the windows that begin at most pool_h − 1 rows above it.
    first = max(0, (z_from + block.pool_top - block.pool_h) // block.pool_stride_h + 1)
    last = min(block.y_height, (z_to - 1 + block.pool_top) // block.pool_stride_h + 1)
    for i in range(first, last):
        row = i * block.pool_stride_h - block.pool_top
        for j in range(block.y_width):
            column, where = j * block.pool_stride_w - block.pool_left, argmax[n, i, j]
            _let_through(dy[n, i, j], y[n, i, j], block.relu, masked)
            for ky in range(max(0, z_from - row), min(block.pool_h, z_to - row)):
                for kx in range(max(0, -column), min(block.pool_w, block.z_width - column)):
                    pixel, index = dz[row + ky - z_from, column + kx], where.dtype.type(ky * block.pool_w + kx)
                    for f in range(masked.size):
                        pixel[f] += masked[f] if where[f] == index else zero
    for i in range(z_to - z_from):
        for j in range(block.z_width):
            add_row(dz[i, j], dbias)
