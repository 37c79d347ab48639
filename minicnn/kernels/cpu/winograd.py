"""Winograd convolution for 3×3 and 5×5 kernels with stride 1: fewer multiplications than a matrix product needs.

A strip (or, where pictures are small, a group of whole pictures) is cut into 6×6 tiles that overlap by KH − 1 pixels
and give 4×4 outputs of a 3×3 kernel or 2×2 of a 5×5 one. Transformed, the convolution is 36 matrix products:

    forward    V = Bᵀ·d·B       M_k = V_k·U_k  (k = 0…35)      z = Aᵀ·M·A                      U = G·weight·Gᵀ
    backward   dM = A·dz·Aᵀ     dU_k += V_kᵀ·dM_k  → dweight = Gᵀ·dU·G      dV_k = dM_k·U_kᵀ,   dx += B·dV·Bᵀ

Backward is forward transposed, step by step, so it needs no flipped kernel and shares dM between both gradients.

Shapes: V (36, tiles, C), M (36, tiles, F), both with planes PLANE apart; U (36, C, F); the rest as in `strips`.
Products are done for `batch_of_tiles` tiles at a time, so that V and M stay in the L2 cache.
The sums are rounded otherwise than the formula's, and differently at each place of a tile: an output is good to about
2·10⁻⁶ of the largest number in its tile's outputs, and NaN or infinity in a picture spreads over its whole tile.
Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", §4.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.blas import add_transposed_product, multiply, one_blas_thread
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.epilogue import finish_strip, gradient_strip
from minicnn.kernels.cpu.scratch import scratch, scratches, zeroed_scratch
from minicnn.kernels.cpu.strips import (
    Block,
    Finish,
    add_seams,
    add_strip,
    load_strip,
    rows_per_strip,
    z_rows_under,
)  # fmt: skip
from minicnn.kernels.cpu.team import share, work_together
from minicnn.kernels.cpu.ties import Windows
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
SMALLEST_BATCH = 48  # tiles: for fewer, reading U and dU once a batch would cost more than leaving the cache


def supports(block: Block, dtype: np.dtype) -> bool:
    """Return whether the block is a 3×3 or 5×5 convolution with stride 1, in float32, of few enough channels."""
    square = (block.kernel_h, block.kernel_w) in ((3, 3), (5, 5))
    small = max(block.channels, block.filters) <= PLANE // 8
    return dtype == np.float32 and square and block.stride_h == block.stride_w == 1 and small


def batch_of_tiles(block: Block) -> int:
    """Return how many tiles are multiplied at a time."""
    affordable = BATCH_ELEMENTS // (block.channels + block.filters)
    return min(max(affordable, SMALLEST_BATCH), PLANE // max(block.channels, block.filters))


def tiles_of(block: Block) -> int:
    """Return how many tiles a picture has."""
    return _tile_rows(block, block.z_height) * _tile_rows(block, block.z_width)


def _tile_rows(block: Block, rows: int) -> int:
    outputs = TILE + 1 - block.kernel_h
    return -(-rows // outputs)


def _strips_and_groups(block: Block, rows: int, row_outputs: int, images: int, threads: int) -> tuple[int, int]:
    """Return how many rows (of y or z) make a strip and how many whole pictures a group, one of the two at most.

    row_outputs: rows of z that one such row stands for.
    """
    tiles_across = _tile_rows(block, block.z_width)
    wanted = batch_of_tiles(block)
    tiles = tiles_of(block)
    if tiles <= wanted and images >= threads:
        to_each = -(-images // threads)  # pictures for a thread, in equal groups: a rest of few tiles is inefficient
        groups = -(-to_each // (wanted // tiles))
        return rows, -(-to_each // groups)
    height = TILE + 1 - block.kernel_h
    affordable = max(height, -(-wanted // tiles_across) * height) // row_outputs
    strip = rows_per_strip(rows, images, threads, affordable)
    whole_tiles = max(height // row_outputs, 1)
    return min(-(-strip // whole_tiles) * whole_tiles, rows), 1


def forward(x: np.ndarray, weight: np.ndarray, finish: Finish, block: Block, threads: int) -> None:
    """Fill `finish.y` (and its arg max, where the block pools) from x (N, H, W, C)."""
    rows, group = _strips_and_groups(block, block.y_height, block.pool_stride_h, x.shape[0], threads)
    z_rows = min((rows - 1) * block.pool_stride_h + block.pool_h, block.z_height)
    padded, z, v, m = _scratch(block, z_rows, group, threads)
    u = transform_filters(weight, filter_matrix(block.kernel_h))
    with one_blas_thread():
        work_together(
            _forward_share, threads, x.reshape(*x.shape[:2], -1), u, finish, block, rows, group,
            batch_of_tiles(block), padded, z, v, m,
        )  # fmt: skip


def backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, y: np.ndarray, argmax: np.ndarray, dx: np.ndarray,
    block: Block, input_gradient: bool, threads: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Fill dx (where asked for) and return dweight and dbias."""
    rows, group = _strips_and_groups(block, block.z_height, 1, x.shape[0], threads)
    padded, dz, v, m = _scratch(block, rows, group, threads)
    dpadded = scratch(threads, padded.shape[1], x.dtype)
    g = filter_matrix(block.kernel_h)
    transposed_u = transform_filters(np.ascontiguousarray(weight.swapaxes(2, 3)), g)
    du = zeroed_scratch(threads, transposed_u.size, x.dtype)
    dbias = zeroed_scratch(threads, block.filters, x.dtype)
    seams = np.zeros((threads, block.kernel_h - 1, x.shape[2] * x.shape[3] if input_gradient else 1), x.dtype)
    dx_rows = dx.reshape(*dx.shape[:2], -1)
    with one_blas_thread():
        work_together(
            _backward_share, threads, dy, x.reshape(*x.shape[:2], -1), transposed_u, y, argmax, dx_rows, block, rows,
            group, batch_of_tiles(block),
            input_gradient, padded, dpadded, dz, v, m, du, dbias, seams,
        )  # fmt: skip
    if input_gradient:
        add_seams(dx_rows, seams, block, rows)
    return transform_filter_gradients(du, g, weight.shape), dbias[:, : block.filters].sum(axis=0)


def _scratch(block: Block, z_rows: int, group: int, threads: int) -> tuple[np.ndarray, ...]:
    """Return a thread's memory for padded rows, z, V and M."""
    outputs = TILE + 1 - block.kernel_h
    down, across = _tile_rows(block, z_rows), _tile_rows(block, block.z_width)
    overlap = block.kernel_h - 1
    padded = group * (down * outputs + overlap) * (across * outputs + overlap) * block.channels
    z = group * down * across * outputs * outputs * block.filters
    dtype = np.dtype(np.float32)
    return scratches(threads, (padded, z, POINTS * PLANE, POINTS * PLANE), dtype)


@entry
def transform_filters(weight, g):
    """U = G·weight·Gᵀ for every channel and filter: weight (K, K, C, F) → U (36, C, F)."""
    kernel, _, channels, filters = weight.shape
    u = np.zeros((POINTS, channels, filters), weight.dtype)
    for a in range(TILE):
        for b in range(TILE):
            for i in range(kernel):
                for j in range(kernel):
                    factor = g[a, i] * g[b, j]
                    if factor != 0:
                        for c in range(channels):
                            for f in range(filters):
                                u[TILE * a + b, c, f] += factor * weight[i, j, c, f]
    return u


@entry
def transform_filter_gradients(du, g, shape):
    """dweight = Gᵀ·dU·G, summed over the threads' dU (threads, 36·C·F), in their order."""
    kernel, _, channels, filters = shape
    dweight = np.zeros(shape, du.dtype)
    for thread in range(du.shape[0]):
        for a in range(TILE):
            for b in range(TILE):
                for c in range(channels):
                    start = ((TILE * a + b) * channels + c) * filters
                    gradient = du[thread, start : start + filters]
                    for i in range(kernel):
                        for j in range(kernel):
                            factor = g[a, i] * g[b, j]
                            if factor != 0:
                                for f in range(filters):
                                    dweight[i, j, c, f] += factor * gradient[f]
    return dweight


@entry
def _forward_share(thread, threads, x, u, finish, block, strip_rows, group, batch, padded, z, v, m):
    padded, z, v, m = padded[thread], z[thread], v[thread], m[thread]
    outputs, strips = TILE + 1 - block.kernel_h, -(-block.y_height // strip_rows)
    across = -(-block.z_width // outputs)
    first, last = share(-(-x.shape[0] // group) * strips, thread, threads)
    for unit in range(first, last):
        n_from, y_from = (unit // strips) * group, (unit % strips) * strip_rows
        n_to, y_to = min(n_from + group, x.shape[0]), min(y_from + strip_rows, block.y_height)
        z_from, z_to = z_rows_under(block, y_from, y_to)
        down = -(-(z_to - z_from) // outputs)
        inputs = _load_pictures(x, n_from, n_to, z_from, block, down, across, padded)
        results = _pictures(z, n_to - n_from, down * outputs, across * outputs, block.filters)
        tiles = (n_to - n_from) * down * across
        step = _even_batch(tiles, batch, block)
        for start in range(0, tiles, step):
            count = min(step, tiles - start)
            for t in range(count):
                picture, row, column = _place(start + t, down, across)
                transform_input(inputs[picture], row * outputs, column * outputs, v[t * block.channels :])
            _multiply(v, u, block, count, m)
            for t in range(count):
                picture, row, column = _place(start + t, down, across)
                transform_output(m[t * block.filters :], outputs, results[picture], row * outputs, column * outputs)
        row, run = inputs.shape[2] * block.channels, block.kernel_w * block.channels
        windows = Windows(row, block.channels, block.kernel_h, run, row)
        for n in range(n_from, n_to):
            numbers = inputs[n - n_from].reshape(-1)
            finish_strip(results[n - n_from], z_from, numbers, windows, block, n, y_from, y_to, finish)


@entry
def _backward_share(
    thread, threads, dy, x, transposed_u, y, argmax, dx, block, strip_rows, group, batch, input_gradient,
    padded, dpadded, dz, v, m, du, dbias, seams,
):  # fmt: skip
    padded, dpadded, dz, v, m = padded[thread], dpadded[thread], dz[thread], v[thread], m[thread]
    du, dbias, seam = du[thread], dbias[thread, : block.filters], seams[thread]
    outputs, strips = TILE + 1 - block.kernel_h, -(-block.z_height // strip_rows)
    across = -(-block.z_width // outputs)
    first, last = share(-(-x.shape[0] // group) * strips, thread, threads)
    for unit in range(first, last):
        n_from, z_from = (unit // strips) * group, (unit % strips) * strip_rows
        n_to, z_to = min(n_from + group, x.shape[0]), min(z_from + strip_rows, block.z_height)
        own_from = (first % strips) * strip_rows if unit // strips == first // strips else 0
        down = -(-(z_to - z_from) // outputs)
        inputs = _load_pictures(x, n_from, n_to, z_from, block, down, across, padded)
        gradients = _pictures(dz, n_to - n_from, down * outputs, across * outputs, block.filters)
        if down * outputs > z_to - z_from or across * outputs > block.z_width:
            dz[: gradients.size].fill(0)  # outputs of the last tiles that are not there
        for n in range(n_from, n_to):
            gradient_strip(dy, y, argmax, block, n, z_from, z_to, gradients[n - n_from], dbias)
        if input_gradient:
            dinputs = _pictures(dpadded, n_to - n_from, inputs.shape[1], inputs.shape[2], block.channels)
            dpadded[: dinputs.size].fill(0)
        tiles = (n_to - n_from) * down * across
        step = _even_batch(tiles, batch, block)
        for start in range(0, tiles, step):
            count = min(step, tiles - start)
            for t in range(count):
                picture, row, column = _place(start + t, down, across)
                transform_input(inputs[picture], row * outputs, column * outputs, v[t * block.channels :])
                transform_gradient(gradients[picture], outputs, row * outputs, column * outputs, m[t * block.filters :])
            _add_filter_gradient(v, m, block, count, du)
            if input_gradient:
                _input_gradient(m, transposed_u, block, count, v)
                for t in range(count):
                    picture, row, column = _place(start + t, down, across)
                    add_transposed_input(v[t * block.channels :], dinputs[picture], row * outputs, column * outputs)
        if input_gradient:
            for n in range(n_from, n_to):
                rows = dinputs[n - n_from].reshape(dinputs.shape[1], dinputs.shape[2] * block.channels)
                add_strip(rows, dx, n, z_from, z_to, own_from, block, seam)


@inner
def _pictures(memory, pictures, rows, columns, channels):
    """Return the beginning of flat `memory` as (pictures, rows, columns, channels)."""
    return memory[: pictures * rows * columns * channels].reshape(pictures, rows, columns, channels)


@inner
def _load_pictures(x, n_from, n_to, z_from, block, down, across, padded):
    """Copy the padded input under the strip's tiles, for each picture of the group."""
    step, overlap = TILE + 1 - block.kernel_h, block.kernel_h - 1
    inputs = _pictures(padded, n_to - n_from, down * step + overlap, across * step + overlap, block.channels)
    for n in range(n_from, n_to):
        rows = inputs[n - n_from].reshape(inputs.shape[1], inputs.shape[2] * block.channels)
        load_strip(x, n, z_from - block.top, block, rows)
    return inputs


@inner
def _place(tile, down, across):
    """Return (picture, row, column) of a tile of the group."""
    return tile // (down * across), tile // across % down, tile % across


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
