"""Convolution by im2col and matrix products, a strip at a time: for any kernel, stride and padding.

The matrix of windows ("columns") of a whole batch would be KH·KW times as large as the picture. Here each strip's
columns are gathered, multiplied and forgotten while they are in the thread's L2 cache:

    forward    z = columns·W            backward   dW += columnsᵀ·dz      dcolumns = dz·Wᵀ, added back to the picture

Three layouts of the columns, chosen by `column_layout`:

    SEPARATE  (rows of z, ZW, KH·KW·C): every window has a row of its own, one product a strip.
    SHARED    (ZW, padded rows, KW·C): windows one above the other share what they have in common. The window of (i, j)
              is still KH·KW·C neighbours in memory, from (j, i·SH) on, so BLAS takes rows of windows where they lie,
              and only KW·C numbers a pixel are copied instead of KH·KW·C. Pays while C is small and copying costs as
              much as multiplying. Source: Cho & Brand 2017, "MEC: Memory-efficient Convolution for Deep Neural
              Network".
    INPUT     a 1×1 kernel's columns are the picture itself: nothing is copied.

Where windows are multiplied together, they are of a strip, or of several small pictures. Shapes: weight (KH·KW·C, F);
the rest as in `strips`; a leading axis of memory counts threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu.blas import add_transposed_product, multiply
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.strips import Block, add_row, padded_rows, rows_per_strip, rows_under
from minicnn.kernels.cpu.team import share, team_size, work_together

SEPARATE, SHARED, INPUT = 0, 1, 2
STRIP_ELEMENTS = 200_000  # of columns and z together: 800 KB in float32, about an L2 cache
LINE = 16  # numbers of float32
GROUP_ROWS = 256  # windows that make a product efficient; small pictures are multiplied together up to that


class ByColumns(NamedTuple):
    """What convolution by columns works with: W (or Wᵀ, backward), flat, and memory for the columns of a unit."""

    layout: int
    weight: np.ndarray
    columns: np.ndarray


def column_layout(block: Block, x_shape: tuple[int, ...]) -> int:
    """Return the layout of the columns that suits the block and pictures of x's shape (N, H, W, C)."""
    pixelwise = (block.kernel_h, block.kernel_w, block.stride_h, block.stride_w, block.top, block.left)
    if pixelwise == (1, 1, 1, 1, 0, 0) and block.z_height <= x_shape[1] and block.z_width == x_shape[2]:
        return INPUT
    return SHARED if block.channels <= 4 else SEPARATE


def pads_input(block: Block, x_shape: tuple[int, ...]) -> bool:
    """Return whether the padded input is copied before its windows are."""
    return column_layout(block, x_shape) != INPUT


def tile_of(block: Block) -> int:
    """Return how many rows and columns of z are computed at a time."""
    return 1


def strips_and_groups(
    block: Block, x_shape: tuple[int, ...], rows: int, row_height: int, threads: int
) -> tuple[int, int]:
    """Return how many of a picture's `rows` make a strip, and how many pictures are multiplied together.

    row_height: rows of z that stand under one of those rows.
    """
    layout = column_layout(block, x_shape)
    z_row = block.z_width * block.filters
    affordable = STRIP_ELEMENTS * 8 // (_columns_size(block, layout, 8) + 8 * z_row) // row_height
    strip = rows_per_strip(rows, x_shape[0], threads, affordable)
    if layout != SEPARATE or strip < rows:
        return strip, 1
    to_each = -(-x_shape[0] // threads)  # pictures for a thread, in equal groups: a rest of few windows is inefficient
    groups = -(-to_each // max(1, GROUP_ROWS // (block.z_height * block.z_width)))
    return strip, -(-to_each // groups)


def memory_sizes(
    block: Block, x_shape: tuple[int, ...], group: int, z_rows: int, padded_size: int, backward: bool
) -> tuple[int, ...]:
    """Return how many numbers a thread's own memories take: the columns of a unit."""
    return (group * _columns_size(block, column_layout(block, x_shape), z_rows),)


def prepare_forward(
    weight: np.ndarray, block: Block, x_shape: tuple[int, ...], memories: Sequence[np.ndarray]
) -> tuple[ByColumns, None]:
    """Return what `convolve` needs, in the place of this algorithm."""
    return ByColumns(column_layout(block, x_shape), weight.reshape(-1), *memories), None


def prepare_backward(
    weight: np.ndarray, block: Block, x_shape: tuple[int, ...], memories: Sequence[np.ndarray]
) -> tuple[ByColumns, None]:
    """Return what `gradients` needs, in the place of this algorithm."""
    transposed = empty((block.filters, block.window), weight.dtype)
    threads = team_size(4 * weight.size)  # memory is what takes the time: some four multiplications for each number
    work_together(_transpose, threads, weight.reshape(-1, block.filters), transposed)
    return ByColumns(column_layout(block, x_shape), transposed.reshape(-1), *memories), None


@entry
def _transpose(thread, threads, matrix, transposed):
    """Fill a share of the rows of `transposed`, as many at a time as a cache line of `matrix` holds."""
    first, end = share(transposed.shape[0], thread, threads)
    for start in range(first, end, LINE):
        for column in range(transposed.shape[1]):
            for row in range(start, min(start + LINE, end)):
                transposed[row, column] = matrix[column, row]


def input_gradient_memory(padded: np.ndarray, memories: Sequence[np.ndarray]) -> np.ndarray:
    """Return the memory for the padded input's gradient: the input's own, which nobody reads any more by then."""
    return padded


def product_size(block: Block) -> int:
    """Return how many numbers the gradient has that `gradients` adds up: dW."""
    return block.window * block.filters


@inner
def convolve(source, inputs, block, by_columns, thread, z):
    """Fill z (pictures, rows, columns, F) from the padded input, or where nothing is padded from `source`."""
    columns = _columns_of(source, inputs, z.shape[1], block, by_columns, thread)
    _multiply(columns, by_columns.weight, block, by_columns.layout, z.shape[0] * z.shape[1], z.reshape(-1))


@inner
def gradients(source, inputs, dz, block, by_columns, thread, input_gradient, dinputs, products):
    """Add dW to `products` and, where asked for, fill dinputs, both from dz. Returns how many products were added."""
    layout, z_rows = by_columns.layout, dz.shape[0] * dz.shape[1]
    columns = _columns_of(source, inputs, dz.shape[1], block, by_columns, thread)
    _add_weight_gradient(columns, dz.reshape(-1), block, layout, z_rows, products)
    if input_gradient:
        dcolumns, size = by_columns.columns[thread], dz.shape[1] * block.z_width * block.window
        _column_gradient(dz.reshape(-1), by_columns.weight, block, layout, z_rows, dcolumns)
        for picture in range(dz.shape[0]):
            _add_back(dcolumns[picture * size :], block, layout, dz.shape[1], dinputs[picture])
    return _products(block, layout, z_rows)[0]


@inner
def add_up(products, block, by_columns, dweight):
    """Add dW to dweight, which is float64, and begin anew."""
    for e in range(dweight.size):
        dweight[e] += products[e]
        products[e] = 0


def _columns_size(block: Block, layout: int, z_rows: int) -> int:
    """Return how many numbers the columns of one picture's strip have."""
    if layout == SHARED:
        return rows_under(block, z_rows) * block.z_width * block.kernel_w * block.channels
    return z_rows * block.z_width * block.window


@inner
def _columns_of(source, inputs, z_rows, block, by_columns, thread):
    """Return the columns of a strip of each picture, flat: gathered, or `source`, the picture's rows, as they are."""
    layout, columns = by_columns.layout, by_columns.columns[thread]
    if layout == INPUT:
        return source.reshape(-1)
    size = z_rows * block.z_width * block.window  # that of several pictures' columns, which are separate
    for picture in range(inputs.shape[0]):
        _gather(inputs[picture], block, layout, z_rows, columns[picture * size :])
    return columns


@inner
def _gather(padded, block, layout, z_rows, columns):
    """Copy the windows of a strip into columns."""
    rows, width = padded.shape[0], padded.shape[1] * block.channels
    padded = padded.reshape(-1)
    run, step = block.kernel_w * block.channels, block.stride_w * block.channels
    if layout == SHARED:
        for row in range(rows):
            for j in range(block.z_width):
                _copy_run(padded, row * width + j * step, columns, (j * rows + row) * run, run)
    else:
        to = 0
        for i in range(z_rows):
            for j in range(block.z_width):
                for ky in range(block.kernel_h):
                    _copy_run(padded, (i * block.stride_h + ky) * width + j * step, columns, to, run)
                    to += run


@inner
def _add_back(columns, block, layout, z_rows, padded):
    """Add the gradient of columns back to the padded rows that they were copied from: the transpose of `_gather`."""
    run, step = block.kernel_w * block.channels, block.stride_w * block.channels
    padded = padded.reshape(padded.shape[0], -1)
    for row in range(padded.shape[0]):
        padded[row].fill(0)
    start = 0
    if layout == SHARED:
        for j in range(block.z_width):
            for row in range(padded.shape[0]):
                add_row(columns[start : start + run], padded[row, j * step :])
                start += run
    else:
        kernel_h = 1 if layout == INPUT else block.kernel_h
        for i in range(z_rows):
            for j in range(block.z_width):
                for ky in range(kernel_h):
                    add_row(columns[start : start + run], padded[i * block.stride_h + ky, j * step :])
                    start += run


@inner
def _copy_run(source, source_start, target, target_start, count):
    # Unsigned indices cannot be negative, which saves the compiler from asking, and lets it copy whole vectors.
    s, t = np.uint64(source_start), np.uint64(target_start)
    for e in range(count):
        target[t + np.uint64(e)] = source[s + np.uint64(e)]


@inner
def _products(block, layout, z_rows):
    """Return how the columns are multiplied: (products, windows in each, row length, distance between products)."""
    if layout == SHARED:
        run = block.kernel_w * block.channels
        return z_rows, block.z_width, padded_rows(block, z_rows) * run, block.stride_h * run
    return 1, z_rows * block.z_width, block.window, 0


@inner
def _multiply(columns, weight, block, layout, z_rows, z):
    """z = columns·W."""
    size, filters = block.window, block.filters
    products, windows, length, apart = _products(block, layout, z_rows)
    for i in range(products):
        a, c = columns[i * apart :], z[i * windows * filters :]
        multiply(windows, filters, size, a, length, weight, filters, False, c, filters)


@inner
def _add_weight_gradient(columns, dz, block, layout, z_rows, dweight):
    """dW += columnsᵀ·dz."""
    size, filters = block.window, block.filters
    products, windows, length, apart = _products(block, layout, z_rows)
    for i in range(products):
        a, b = columns[i * apart :], dz[i * windows * filters :]
        add_transposed_product(size, filters, windows, a, length, b, filters, dweight, filters)


@inner
def _column_gradient(dz, transposed_weight, block, layout, z_rows, columns):
    """dcolumns = dz·Wᵀ; where windows share columns, their gradients are added up by the product itself."""
    size, filters = block.window, block.filters
    products, windows, length, apart = _products(block, layout, z_rows)
    if layout == SHARED:
        columns[: windows * length].fill(0)
    for i in range(products):
        a, c = dz[i * windows * filters :], columns[i * apart :]
        multiply(windows, size, filters, a, filters, transposed_weight, size, layout == SHARED, c, length)
