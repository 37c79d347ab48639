"""Strips: the pieces of a picture that convolution kernels work on, how they are read and how they are given back.

A strip is a few rows of the convolution's output z, so few that all a thread needs for them stays in its L2 cache: the
input rows under them, what the algorithm makes of these, and z itself. So z, the largest array of a network, never
travels to main memory when it is pooled at once:

    forward     load_strip   x → padded      the algorithm   padded → z          finish_strip   z → bias, ReLU, pool → y
    backward    gradient_strip  dy, y, argmax → dz     the algorithm  padded, dz → dweight, dpadded     add_strip → dx

`finish_strip` and `gradient_strip`, which know bias, ReLU and pooling, stand in `epilogue`; which thread works on which
strips stands in `schedule`.

Shapes: x (N, H, W·C); padded (rows, columns, C), the zero-padded input under a strip; z and dz (rows, ZW, F);
y, dy, argmax (N, YH, YW, F). The scratch for z may be larger than needed. Rows and columns of z behind the last pooling
window are not computed (but for what completes a tile).
"""

from __future__ import annotations

import functools
from math import inf
from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu.arrays import whole
from minicnn.kernels.cpu.compiling import inner
from minicnn.ops.conv_block import Convolution, Epilogue
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
    window: int  # numbers that a window of the convolution holds: pixels times channels
    z_height: int  # rows and columns of the convolution's output that are needed
    z_width: int
    y_height: int
    y_width: int
    relu: bool
    ceiling: float  # what ReLU cuts off above: 6, or infinity
    scaled: bool  # whether z is scaled, a residual added, and an arg max wanted
    added: bool
    indexed: bool
    pooled: bool
    pool_h: int
    pool_w: int
    pool_stride_h: int
    pool_stride_w: int
    pool_top: int
    pool_left: int


class Finish(NamedTuple):
    """What turns z into y = pool(relu(z · scale + bias + residual)), and where y and its arg max go.

    bias, scale: (F,). residual: like the convolution's output. y, argmax: (N, YH, YW, F). What a block does without is
    an array of the same kind that is not looked at.
    """

    bias: np.ndarray
    scale: np.ndarray
    residual: np.ndarray
    y: np.ndarray
    argmax: np.ndarray


class Received(NamedTuple):
    """What a block's backward pass goes out from: dy, and y and argmax of its forward pass; (N, YH, YW, F) each."""

    dy: np.ndarray
    y: np.ndarray
    argmax: np.ndarray


@functools.lru_cache(maxsize=1024)  # a network asks for the same few blocks at every step
def block_geometry(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], convolution: Convolution, epilogue: Epilogue,
    scaled: bool = False, added: bool = False, indexed: bool = True,
) -> Block:  # fmt: skip
    """Return the block's geometry, in Python's own int and bool whatever whole numbers the settings are made of."""
    kh, kw, c, f = weight_shape
    stride: Pair = whole(convolution.stride)
    padding: Padding = whole(convolution.padding)
    (top, _), (left, _) = pad_amounts(padding)
    z = output_size((x_shape[1], x_shape[2]), (kh, kw), stride, padding)
    cut = bool(epilogue.relu or epilogue.relu6), 6.0 if epilogue.relu6 else inf
    sliding = (kh, kw, *stride, top, left, c, f, kh * kw * c)
    if epilogue.pool is None:
        return Block(*sliding, *z, *z, *cut, scaled, added, False, False, 1, 1, 1, 1, 0, 0)
    size: Pair = whole(epilogue.pool.size)
    pool_stride: Pair = whole(epilogue.pool.stride)
    pool_padding: Padding = whole(epilogue.pool.padding)
    (pool_top, _), (pool_left, _) = pad_amounts(pool_padding)
    y = output_size(z, size, pool_stride, pool_padding)
    used = (
        min(z[0], (y[0] - 1) * pool_stride[0] - pool_top + size[0]),
        min(z[1], (y[1] - 1) * pool_stride[1] - pool_left + size[1]),
    )
    ending = (scaled, added, indexed, True)
    return Block(*sliding, *used, *y, *cut, *ending, *size, *pool_stride, pool_top, pool_left)


def multiplications(block: Block, images: int) -> int:
    """Return how many multiplications the plain convolution of `images` pictures takes."""
    return images * block.z_height * block.z_width * block.window * block.filters


def rows_per_strip(rows: int, images: int, threads: int, affordable: int) -> int:
    """Return how many of a picture's rows make a strip: as many as are affordable, with equal work for all threads."""
    strips = -(-rows // max(affordable, 1))
    if images % threads != 0 and images < 4 * threads:
        strips = -(-strips // threads) * threads
    return -(-rows // min(strips, rows))


@inner
def pools_2x2(block):
    """Return whether the pooling windows are 2×2, side by side, and none hangs over an edge."""
    return (
        block.pool_h == 2 and block.pool_w == 2 and block.pool_stride_h == 2 and block.pool_stride_w == 2
        and block.pool_top == 0 and block.pool_left == 0
        and 2 * block.y_height <= block.z_height and 2 * block.y_width <= block.z_width
    )  # fmt: skip


@inner
def z_rows_under(block, y_from, y_to):
    """Return the first row of z, and the one after the last, that rows y_from…y_to−1 of y read."""
    if not block.pooled:
        return y_from, y_to
    first = y_from * block.pool_stride_h - block.pool_top
    last = (y_to - 1) * block.pool_stride_h - block.pool_top + block.pool_h
    return max(first, 0), min(last, block.z_height)


@inner
def copy_row(source, target):
    """Copy `source` to the beginning of `target`."""
    for e in range(source.size):
        target[e] = source[e]


@inner
def add_row(source, target):
    """Add `source` to the beginning of `target`."""
    for e in range(source.size):
        target[e] += source[e]


@inner
def load_strip(x, n, first_row, block, padded):
    """Copy the rows of picture n from first_row on, which may lie outside, into `padded`, with zeros around them."""
    height, width = x.shape[1], x.shape[2]
    padded = padded.reshape(padded.shape[0], -1)
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


@inner
def add_strip(dpadded, dx, n, z_from, z_to, own_from, block, seam):
    """Bring the gradient of the padded rows under z_from…z_to−1 back to picture n, dropping the padding's own.

    Strips overlap by KH − SH rows, which earlier strips have begun: those are added to, the rows after them are set.
    own_from is the thread's first row of z in this picture. Where that is not 0, the rows that another thread has begun
    are collected in `seam`, as `schedule` explains.
    """
    height, width = dx.shape[1], dx.shape[2]
    dpadded = dpadded.reshape(dpadded.shape[0], -1)
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


def rows_under(block: Block, z_rows: int) -> int:
    """Return how many padded rows of the input lie under so many rows of z, those between strides included."""
    return (z_rows - 1) * block.stride_h + max(block.kernel_h, block.stride_h)


padded_rows = inner(rows_under)  # the same for kernels


@inner
def beginning(memory, pictures, rows, columns, channels):
    """Return the beginning of flat `memory` as (pictures, rows, columns, channels)."""
    return memory[: pictures * rows * columns * channels].reshape(pictures, rows, columns, channels)
