"""Winograd convolution for 3×3 and 5×5 kernels with stride 1: fewer multiplications than a matrix product needs.

A strip (or, where pictures are small, a group of whole pictures) is cut into 6×6 tiles that overlap by KH − 1 pixels
and give 4×4 outputs of a 3×3 kernel or 2×2 of a 5×5 one. Transformed, the convolution is 36 matrix products:

    forward    V = Bᵀ·d·B       M_k = V_k·U_k  (k = 0…35)      z = Aᵀ·M·A                      U = G·weight·Gᵀ
    backward   dM = A·dz·Aᵀ     dU_k += V_kᵀ·dM_k  → dweight = Gᵀ·dU·G      dV_k = dM_k·U_kᵀ,   dx += B·dV·Bᵀ

Backward is forward transposed, step by step, so it needs no flipped kernel and shares dM between both gradients.

Shapes: V (36, tiles, C), M (36, tiles, F), both with planes PLANE apart; U (36, C, F); the rest as in `strips`.
Products are done for `batch_of_tiles` tiles at a time, so that V and M stay in the L2 cache, or where there are many
channels in the next one.
The sums are rounded otherwise than the formula's, and differently at each place of a tile: an output is good to about
2·10⁻⁶ of the largest number in its tile's outputs, and NaN or infinity in a picture spreads over its whole tile.
Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu.blas import add_transposed_product, multiply
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.scratch import scratches
from minicnn.kernels.cpu.strips import Block, add_row, copy_row, rows_per_strip
from minicnn.kernels.cpu.team import share, team_size, work_together
from minicnn.kernels.cpu.winograd_tiles import (
    PLANE,
    POINTS,
    TILE,
    add_transposed_input,
    filter_matrix,
    transform_gradient,
    transform_input,
    transform_output,
)  # fmt: skip

BATCH_ELEMENTS = 5000  # of one plane of V and M together: 36 such planes are 720 KB, about an L2 cache
SMALLEST_BATCH = 64  # tiles: for fewer, reading U and dU once a batch would cost more than leaving the cache
ROWS = 16  # of U that are transformed together: a cache line of the weights that a transposed one is made of


class ByTiles(NamedTuple):
    """What convolution by tiles works with: tiles in a batch, G, U (backward Uᵀ), and memory for V and M."""

    batch: int
    g: np.ndarray
    u: np.ndarray
    v: np.ndarray
    m: np.ndarray


def supports(block: Block, dtype: np.dtype) -> bool:
    """Return whether the block is a 3×3 or 5×5 convolution with stride 1, in float32, of few enough channels."""
    square = (block.kernel_h, block.kernel_w) in ((3, 3), (5, 5))
    small = max(block.channels, block.filters) <= PLANE // SMALLEST_BATCH
    return dtype == np.float32 and square and block.stride_h == block.stride_w == 1 and small


def batch_of_tiles(block: Block) -> int:
    """Return how many tiles are multiplied at a time."""
    return max(BATCH_ELEMENTS // (block.channels + block.filters), SMALLEST_BATCH)


def tiles_of(block: Block) -> int:
    """Return how many tiles a picture has."""
    return _tile_rows(block, block.z_height) * _tile_rows(block, block.z_width)


def _tile_rows(block: Block, rows: int) -> int:
    outputs = TILE + 1 - block.kernel_h
    return -(-rows // outputs)


def pads_input(block: Block, x_shape: tuple[int, ...]) -> bool:
    """Return whether the padded input is copied before it is transformed: always."""
    return True


def tile_of(block: Block) -> int:
    """Return how many rows and columns of z are computed at a time: a tile's outputs."""
    return TILE + 1 - block.kernel_h


def strips_and_groups(
    block: Block, x_shape: tuple[int, ...], rows: int, row_height: int, threads: int
) -> tuple[int, int]:
    """Return how many of a picture's `rows` make a strip, and how many pictures are multiplied together.

    row_height: rows of z that stand under one of those rows.
    """
    images, tiles, wanted = x_shape[0], tiles_of(block), batch_of_tiles(block)
    if tiles <= wanted and images >= threads:
        to_each = -(-images // threads)  # pictures for a thread, in equal groups: a rest of few tiles is inefficient
        groups = -(-to_each // (wanted // tiles))
        return rows, -(-to_each // groups)
    tile = tile_of(block)
    affordable = max(tile, -(-wanted // _tile_rows(block, block.z_width)) * tile) // row_height
    strip = rows_per_strip(rows, images, threads, affordable)
    tile_rows = max(tile // row_height, 1)
    return min(-(-strip // tile_rows) * tile_rows, rows), 1


def memory_sizes(
    block: Block, x_shape: tuple[int, ...], group: int, z_rows: int, padded_size: int, backward: bool
) -> tuple[int, ...]:
    """Return how many numbers a thread's own memories take: V, M and, backward, the padded input's gradient."""
    return (POINTS * PLANE, POINTS * PLANE, *((padded_size,) if backward else ()))


def prepare_forward(
    weight: np.ndarray, block: Block, x_shape: tuple[int, ...], memories: Sequence[np.ndarray]
) -> tuple[None, ByTiles]:
    """Return what `convolve` needs, in the place of this algorithm."""
    g = filter_matrix(block.kernel_h)
    return None, ByTiles(batch_of_tiles(block), g, _transformed(weight, g, transposed=False), *memories)


def prepare_backward(
    weight: np.ndarray, block: Block, x_shape: tuple[int, ...], memories: Sequence[np.ndarray]
) -> tuple[None, ByTiles]:
    """Return what `gradients` needs, in the place of this algorithm."""
    g = filter_matrix(block.kernel_h)
    return None, ByTiles(batch_of_tiles(block), g, _transformed(weight, g, transposed=True), *memories[:2])


def input_gradient_memory(padded: np.ndarray, memories: Sequence[np.ndarray]) -> np.ndarray:
    """Return the memory for the padded input's gradient: its own, as later tiles still read the input."""
    return memories[2]


def product_size(block: Block) -> int:
    """Return how many numbers the gradient has that `gradients` adds up: dU."""
    return POINTS * block.channels * block.filters


def _transformed(weight: np.ndarray, g: np.ndarray, transposed: bool) -> np.ndarray:
    """Return U = G·weight·Gᵀ for every channel and filter, (36, C, F), or `transposed` (36, F, C)."""
    kernel, _, channels, filters = weight.shape
    rows, columns = (filters, channels) if transposed else (channels, filters)
    u = empty((POINTS, rows, columns), weight.dtype)
    threads = team_size(4 * u.size)  # memory is what takes the time: some four multiplications for each number
    few, half_done = scratches(threads, (ROWS * kernel * kernel * columns, TILE * kernel * columns), weight.dtype)
    work_together(_transform_filters, threads, weight, transposed, g, few, half_done, u)
    return u


@entry
def _transform_filters(thread, threads, weight, transposed, g, few, half_done, u):
    """Fill a share of the rows of u, ROWS of them at a time: first G·weight, then that times Gᵀ."""
    kernel, columns = g.shape[1], u.shape[2]
    few, half_done = few[thread], half_done[thread]
    first, end = share(u.shape[1], thread, threads)
    for start in range(first, end, ROWS):
        count = min(ROWS, end - start)
        for i in range(kernel):
            for j in range(kernel):
                place = (i * kernel + j) * ROWS * columns
                if transposed:
                    for column in range(columns):
                        for row in range(count):
                            few[place + row * columns + column] = weight[i, j, column, start + row]
                else:
                    for row in range(count):
                        copy_row(weight[i, j, start + row], few[place + row * columns :])
        for row in range(count):
            for a in range(TILE):
                for j in range(kernel):
                    to = half_done[(a * kernel + j) * columns :]
                    _combine(g[a], few[(j * ROWS + row) * columns :], kernel * ROWS * columns, to[:columns])
            for a in range(TILE):
                for b in range(TILE):
                    _combine(g[b], half_done[a * kernel * columns :], columns, u[TILE * a + b, start + row])


@inner
def _combine(factors, rows, step, total):
    """Set `total` to the sum of rows that begin `step` apart, each times its factor."""
    total.fill(0)
    for k in range(factors.size):
        factor = factors[k]
        if factor != 0:
            row = rows[k * step : k * step + total.size]
            for e in range(total.size):
                total[e] += factor * row[e]


@inner
def convolve(inputs, block, by_tiles, thread, z):
    """Fill z (pictures, rows, columns, F) from the padded input (pictures, rows, columns, C)."""
    v, m, tile = by_tiles.v[thread], by_tiles.m[thread], TILE + 1 - block.kernel_h
    down, across = z.shape[1] // tile, z.shape[2] // tile
    tiles = z.shape[0] * down * across
    step = _even_batch(tiles, by_tiles.batch, block)
    for start in range(0, tiles, step):
        count = min(step, tiles - start)
        for t in range(count):
            picture, row, column = _place(start + t, down, across, tile)
            transform_input(inputs[picture], row, column, v[t * block.channels :])
        _multiply(v, by_tiles.u, block, count, m)
        for t in range(count):
            picture, row, column = _place(start + t, down, across, tile)
            transform_output(m[t * block.filters :], tile, z[picture], row, column)


@inner
def gradients(inputs, dz, block, by_tiles, thread, input_gradient, dinputs, products):
    """Add dU to `products` and, where asked for, fill dinputs, both from dz. Returns how many products were added."""
    v, m, tile = by_tiles.v[thread], by_tiles.m[thread], TILE + 1 - block.kernel_h
    down, across = dz.shape[1] // tile, dz.shape[2] // tile
    tiles = dz.shape[0] * down * across
    step = _even_batch(tiles, by_tiles.batch, block)
    if input_gradient:
        dinputs.reshape(-1).fill(0)
    for start in range(0, tiles, step):
        count = min(step, tiles - start)
        for t in range(count):
            picture, row, column = _place(start + t, down, across, tile)
            transform_input(inputs[picture], row, column, v[t * block.channels :])
            transform_gradient(dz[picture], tile, row, column, m[t * block.filters :])
        _add_filter_gradient(v, m, block, count, products)
        if input_gradient:
            _input_gradient(m, by_tiles.u, block, count, v)
            for t in range(count):
                picture, row, column = _place(start + t, down, across, tile)
                add_transposed_input(v[t * block.channels :], dinputs[picture], row, column)
    return -(-tiles // step)


@inner
def add_up(products, block, by_tiles, dweight):
    """Add Gᵀ·dU·G to dweight, flat and float64, and begin dU anew."""
    kernel, filters, g = block.kernel_h, block.filters, by_tiles.g
    plane = block.channels * filters
    half_done, total = np.empty(kernel * TILE * filters), np.empty(filters)
    for c in range(0, plane, filters):
        for i in range(kernel):
            for b in range(TILE):
                to = half_done[(i * TILE + b) * filters :]
                _combine(g[:, i], products[b * plane + c :], TILE * plane, to[:filters])
        for i in range(kernel):
            for j in range(kernel):
                _combine(g[:, j], half_done[i * TILE * filters :], filters, total)
                add_row(total, dweight[(i * kernel + j) * plane + c :])
        for k in range(POINTS):
            products[k * plane + c : k * plane + c + filters].fill(0)


@inner
def _place(number, down, across, tile):
    """Return the picture of a tile, and the first row and column of its outputs."""
    return number // (down * across), number // across % down * tile, number % across * tile


@inner
def _even_batch(tiles, batch, block):
    """Return how many tiles to multiply at a time: near `batch`, in equal parts, as a small rest is inefficient."""
    most = PLANE // max(block.channels, block.filters)
    parts = max((tiles + batch // 2) // batch, -(-tiles // most))
    return -(-tiles // parts)


@inner
def _multiply(v, u, block, tiles, m):
    """M_k = V_k·U_k."""
    c, f = block.channels, block.filters
    for k in range(POINTS):
        multiply(tiles, f, c, v[k * PLANE :], c, u[k].reshape(c * f), f, False, m[k * PLANE :], f)


@inner
def _add_filter_gradient(v, m, block, tiles, du):
    """dU_k += V_kᵀ·dM_k."""
    c, f = block.channels, block.filters
    for k in range(POINTS):
        add_transposed_product(c, f, tiles, v[k * PLANE :], c, m[k * PLANE :], f, du[k * c * f :], f)


@inner
def _input_gradient(m, transposed_u, block, tiles, v):
    """dV_k = dM_k·U_kᵀ."""
    c, f = block.channels, block.filters
    for k in range(POINTS):
        multiply(tiles, c, f, m[k * PLANE :], f, transposed_u[k].reshape(f * c), c, False, v[k * PLANE :], c)
