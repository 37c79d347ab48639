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

Shapes: x (N, H, W·C); weight (KH·KW·C, F); the rest as in `strips`. A leading axis of scratch memory counts threads.
"""

from __future__ import annotations

import functools

import numpy as np

from minicnn.kernels.cpu.blas import add_transposed_product, multiply, one_blas_thread
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.epilogue import finish_strip, gradient_strip
from minicnn.kernels.cpu.scratch import scratches, zeroed_scratch
from minicnn.kernels.cpu.strips import (
    Block,
    Finish,
    add_row,
    add_seams,
    add_strip,
    load_strip,
    padded_rows,
    rows_per_strip,
    z_rows_under,
)  # fmt: skip
from minicnn.kernels.cpu.team import share, work_together
from minicnn.kernels.cpu.ties import Windows

SEPARATE, SHARED, INPUT = 0, 1, 2
STRIP_ELEMENTS = 200_000  # of columns and z together: 800 KB in float32, about an L2 cache
GROUP_ROWS = 256  # windows that make a product efficient; small pictures are multiplied together up to that


def column_layout(block: Block, x_height: int, x_width: int) -> int:
    """Return the layout of the columns that suits the block and a picture of that size."""
    pixelwise = (block.kernel_h, block.kernel_w, block.stride_h, block.stride_w, block.top, block.left)
    if pixelwise == (1, 1, 1, 1, 0, 0) and block.z_height <= x_height and block.z_width == x_width:
        return INPUT
    return SHARED if block.channels <= 4 else SEPARATE


def _elements(block: Block, layout: int, z_rows: int) -> tuple[int, int, int]:
    """Return how many elements padded rows, columns and z take for a strip of so many rows of z."""
    rows, width = _padded_shape(block, z_rows)
    return rows * width, _columns_size(block, layout, z_rows), z_rows * block.z_width * block.filters


def _affordable_rows(block: Block, layout: int) -> int:
    _, columns, z = _elements(block, layout, 8)
    return STRIP_ELEMENTS * 8 // (columns + z)


def _pictures_at_a_time(block: Block, layout: int, strips: int, images: int, threads: int) -> int:
    """Return how many whole pictures to multiply together: more than one where they are small."""
    if layout != SEPARATE or strips > 1:
        return 1
    return max(1, min(GROUP_ROWS // (block.z_height * block.z_width), images // (2 * threads)))


@functools.lru_cache(maxsize=256)  # with one small picture, planning would take as long as computing
def _forward_plan(
    block: Block, images: int, x_size: tuple[int, ...], threads: int
) -> tuple[int, int, int, tuple[int, ...]]:
    """Return the layout, the rows of y in a strip, the pictures at a time, and the elements of each scratch memory."""
    layout = column_layout(block, *x_size)
    step = block.pool_stride_h
    rows = rows_per_strip(block.y_height, images, threads, _affordable_rows(block, layout) // step)
    group = _pictures_at_a_time(block, layout, -(-block.y_height // rows), images, threads)
    sizes = _elements(block, layout, (rows - 1) * step + block.pool_h)
    return layout, rows, group, tuple(group * size for size in sizes)


def forward(x: np.ndarray, weight: np.ndarray, finish: Finish, block: Block, threads: int) -> None:
    """Fill `finish.y` (and its arg max, where the block pools) from x (N, H, W, C)."""
    layout, rows, group, sizes = _forward_plan(block, x.shape[0], x.shape[1:3], threads)
    padded, columns, z = scratches(threads, sizes, x.dtype)
    with one_blas_thread():
        work_together(
            _forward_share, threads, x.reshape(*x.shape[:2], -1), weight.reshape(-1), finish, block, layout,
            rows, group, padded, columns, z,
        )  # fmt: skip


def backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, y: np.ndarray, argmax: np.ndarray, dx: np.ndarray,
    block: Block, input_gradient: bool, threads: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Fill dx (where asked for) and return dweight (KH·KW·C·F,) and dbias (F,)."""
    layout = column_layout(block, *x.shape[1:3])
    rows = rows_per_strip(block.z_height, x.shape[0], threads, _affordable_rows(block, layout))
    rows += rows % 2  # so that strips end where 2×2 pooling windows do
    group = _pictures_at_a_time(block, layout, -(-block.z_height // rows), x.shape[0], threads)
    sizes = [group * count for count in _elements(block, layout, rows)]
    padded, columns, dz = scratches(threads, sizes, x.dtype)
    dweight = zeroed_scratch(threads, weight.size, x.dtype)
    dbias = zeroed_scratch(threads, bias_size := weight.shape[3], x.dtype)
    row_length = x.shape[2] * x.shape[3]
    seams = np.zeros((threads, max(block.kernel_h - block.stride_h, 1), row_length if input_gradient else 1), x.dtype)
    dx_rows = dx.reshape(*dx.shape[:2], -1)
    transposed_weight = np.ascontiguousarray(weight.reshape(-1, block.filters).T).reshape(-1)
    with one_blas_thread():
        work_together(
            _backward_share, threads, dy, x.reshape(*x.shape[:2], -1), transposed_weight, y, argmax, dx_rows,
            block, layout, rows, group, input_gradient, padded, columns, dz, dweight, dbias, seams,
        )  # fmt: skip
    if input_gradient:
        add_seams(dx_rows, seams, block, rows)
    return dweight[:, : weight.size].sum(axis=0), dbias[:, :bias_size].sum(axis=0)


@entry
def _forward_share(
    thread, threads, x, weight, finish, block, layout, strip_rows, group, padded, columns, z
):  # fmt: skip
    padded, columns, z = padded[thread], columns[thread], z[thread]
    strips = -(-block.y_height // strip_rows)
    places = _windows(block, layout)
    first, last = share(-(-x.shape[0] // group) * strips, thread, threads)
    for unit in range(first, last):
        n_from, y_from = (unit // strips) * group, (unit % strips) * strip_rows
        n_to, y_to = min(n_from + group, x.shape[0]), min(y_from + strip_rows, block.y_height)
        z_from, z_to = z_rows_under(block, y_from, y_to)
        z_rows, z_size = z_to - z_from, (z_to - z_from) * block.z_width * block.filters
        if layout == INPUT:
            windows = x[n_from, z_from:z_to].reshape(z_rows * x.shape[2])
        else:
            windows = columns
            _gather_pictures(x, n_from, n_to, z_from, z_rows, block, layout, padded, columns)
        _multiply(windows, weight, block, layout, (n_to - n_from) * z_rows, z)
        for n in range(n_from, n_to):
            z_strip = z[(n - n_from) * z_size : (n - n_from + 1) * z_size]
            numbers = padded if layout == SHARED else windows[(n - n_from) * _columns_size(block, layout, z_rows) :]
            finish_strip(
                z_strip.reshape(z_rows, block.z_width, block.filters), z_from, numbers, places, block, n,
                y_from, y_to, finish,
            )  # fmt: skip


@entry
def _backward_share(
    thread, threads, dy, x, transposed_weight, y, argmax, dx, block, layout, strip_rows, group, input_gradient,
    padded, columns, dz, dweight, dbias, seams,
):  # fmt: skip
    padded, columns, dz, seam = padded[thread], columns[thread], dz[thread], seams[thread]
    dweight, dbias = dweight[thread], dbias[thread, : block.filters]
    strips = -(-block.z_height // strip_rows)
    first, last = share(-(-x.shape[0] // group) * strips, thread, threads)
    for unit in range(first, last):
        n_from, z_from = (unit // strips) * group, (unit % strips) * strip_rows
        n_to, z_to = min(n_from + group, x.shape[0]), min(z_from + strip_rows, block.z_height)
        own_from = (first % strips) * strip_rows if unit // strips == first // strips else 0
        z_rows, z_size = z_to - z_from, (z_to - z_from) * block.z_width * block.filters
        for n in range(n_from, n_to):
            dz_strip = dz[(n - n_from) * z_size : (n - n_from + 1) * z_size]
            gradient_strip(
                dy, y, argmax, block, n, z_from, z_to, dz_strip.reshape(z_rows, block.z_width, block.filters), dbias
            )
        if layout == INPUT:
            windows = x[n_from, z_from:z_to].reshape(z_rows * x.shape[2])
        else:
            windows = columns
            _gather_pictures(x, n_from, n_to, z_from, z_rows, block, layout, padded, columns)
        _add_weight_gradient(windows, dz, block, layout, (n_to - n_from) * z_rows, dweight)
        if input_gradient:
            _column_gradient(dz, transposed_weight, block, layout, (n_to - n_from) * z_rows, columns)
            rows, width = _padded_shape(block, z_rows)
            padded_strip = padded[: rows * width].reshape(rows, width)
            for n in range(n_from, n_to):
                start = (n - n_from) * _columns_size(block, layout, z_rows)
                _add_back(columns[start:], block, layout, z_rows, padded_strip)
                add_strip(padded_strip, dx, n, z_from, z_to, own_from, block, seam)


@entry
def _padded_shape(block, z_rows):
    """Return how many padded rows lie under a strip, and how many elements each has."""
    width = (block.z_width - 1) * block.stride_w + block.kernel_w
    return padded_rows(block, z_rows), width * block.channels


@entry
def _columns_size(block, layout, z_rows):
    """Return how many elements the columns of one picture's strip have."""
    run = block.kernel_w * block.channels
    height = padded_rows(block, z_rows) if layout == SHARED else z_rows * block.kernel_h
    return height * block.z_width * run


@inner
def _windows(block, layout):
    """Return where windows are found again: in the padded rows if columns are shared, else in the columns."""
    window, run = block.kernel_h * block.kernel_w * block.channels, block.kernel_w * block.channels
    if layout == SHARED:
        _, row = _padded_shape(block, 1)
        return Windows(block.stride_h * row, block.stride_w * block.channels, block.kernel_h, run, row)
    return Windows(block.z_width * window, window, 1, window, window)


@inner
def _gather_pictures(x, n_from, n_to, z_from, z_rows, block, layout, padded, columns):
    """Copy the windows of a strip of each picture into columns."""
    rows, width = _padded_shape(block, z_rows)
    padded_strip = padded[: rows * width].reshape(rows, width)
    for n in range(n_from, n_to):
        load_strip(x, n, z_from * block.stride_h - block.top, block, padded_strip)
        start = (n - n_from) * _columns_size(block, layout, z_rows)
        _gather(padded, rows, width, block, layout, z_rows, columns[start:])


@inner
def _gather(padded, rows, width, block, layout, z_rows, columns):
    """Copy the windows of a strip into columns; `padded` is flat, rows of so many elements."""
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
def _row_of_windows(block, layout, z_rows):
    """Return how the columns of one product lie: (products, windows in each, row length, distance between products)."""
    window = block.kernel_h * block.kernel_w * block.channels
    if layout == SHARED:
        run = block.kernel_w * block.channels
        return z_rows, block.z_width, padded_rows(block, z_rows) * run, block.stride_h * run
    return 1, z_rows * block.z_width, window, 0


@inner
def _multiply(columns, weight, block, layout, z_rows, z):
    """z = columns·W."""
    window, filters = block.kernel_h * block.kernel_w * block.channels, block.filters
    products, windows, length, apart = _row_of_windows(block, layout, z_rows)
    for i in range(products):
        a, c = columns[i * apart :], z[i * windows * filters :]
        multiply(windows, filters, window, a, length, weight, filters, False, c, filters)


@inner
def _add_weight_gradient(columns, dz, block, layout, z_rows, dweight):
    """dW += columnsᵀ·dz."""
    window, filters = block.kernel_h * block.kernel_w * block.channels, block.filters
    products, windows, length, apart = _row_of_windows(block, layout, z_rows)
    for i in range(products):
        a, b = columns[i * apart :], dz[i * windows * filters :]
        add_transposed_product(window, filters, windows, a, length, b, filters, dweight, filters)


@inner
def _column_gradient(dz, transposed_weight, block, layout, z_rows, columns):
    """dcolumns = dz·Wᵀ; where windows share columns, their gradients are added up by the product itself."""
    window, filters = block.kernel_h * block.kernel_w * block.channels, block.filters
    products, windows, length, apart = _row_of_windows(block, layout, z_rows)
    if layout == SHARED:
        columns[: windows * length].fill(0)
    for i in range(products):
        a, c = dz[i * windows * filters :], columns[i * apart :]
        multiply(windows, window, filters, a, filters, transposed_weight, window, layout == SHARED, c, length)
