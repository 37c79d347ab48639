"""The schedule of a convolution by strips: which thread takes which, in what order, and how their results meet.

A unit of work is a strip of one picture or, where a whole picture is too little for an efficient matrix product, a
group of whole pictures. Threads take equal, contiguous shares of all units, so a single picture is shared too, and the
same thread count always adds in the same order: results are the same bit for bit.

Backward, the rows of dx under neighbouring strips overlap. Here are those of a picture of three strips, three rows of z
each, for 3×3 filters with stride 1; the first two strips are the last of thread 0, the third is the first of thread 1:

                  z        dx under it
    strip 0     0 1 2     0 1 2 3 4                 thread 0 sets 0–4
    strip 1     3 4 5           3 4 5 6 7           thread 0 adds to 3 and 4, which it has begun, and sets 5–7
    ─────────────────────────────┼─┼──────────
    strip 2     6 7 8           (6 7)8 9 10         thread 1 sets 8–10; its part of 6 and 7, which thread 0 may be
                                 seam               writing at this moment, it collects in its seam

When all threads are done, the seams are added to dx. A thread has one seam at most, where its share begins.

Sums over all pixels keep their digits: a thread adds up about PRODUCTS_TOGETHER matrix products in the arrays' own
precision, and the sums of those in float64.

Shapes: as in `strips`; a leading axis of memory counts threads.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu import tiled, winograd
from minicnn.kernels.cpu.blas import one_blas_thread
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.epilogue import finish_strip, gradient_strip
from minicnn.kernels.cpu.scratch import scratches, zeroed_scratch
from minicnn.kernels.cpu.strips import (
    Block,
    Finish,
    Received,
    add_row,
    add_strip,
    beginning,
    load_strip,
    padded_rows,
    rows_under,
    z_rows_under,
)  # fmt: skip
from minicnn.kernels.cpu.team import share, work_together
from minicnn.kernels.cpu.ties import windows_in

PRODUCTS_TOGETHER = 64


class Schedule(NamedTuple):
    """How the work is cut up, as plain numbers for compiled code."""

    images: int
    height: int  # the rows of a picture that are shared out: of y forward, of z backward
    rows: int  # of them in a strip
    strips: int  # of a picture
    group: int  # pictures in a unit: more than one only where a strip is a whole picture
    units: int
    tile: int  # rows and columns of z are computed in multiples of this
    z_columns: int  # of z, that are computed
    columns: int  # of the padded input under them
    pads: bool  # whether the input is copied and padded; else the picture is read as it is


class Memory(NamedTuple):
    """Scratch memory for a unit: the padded input, its gradient, and z or its gradient; (threads, …) each."""

    padded: np.ndarray
    dpadded: np.ndarray
    z: np.ndarray


class Sums(NamedTuple):
    """What threads collect over their shares, (threads, …) each: the last matrix products, and all others' sums."""

    products: np.ndarray
    dweight: np.ndarray  # float64, as is dbias
    dbias: np.ndarray
    seams: np.ndarray


def forward(
    algorithm: ModuleType, x: np.ndarray, weight: np.ndarray, finish: Finish, block: Block, threads: int
) -> None:
    """Fill `finish.y` (and its arg max, where one is wanted) from x (N, H, W, C) by `algorithm`, tiled or winograd."""
    schedule, sizes = _plan(algorithm, block, x.shape, threads, backward=False)
    padded, z, *others = scratches(threads, sizes, x.dtype)
    ways = algorithm.prepare_forward(weight, block, x.shape, others)
    x_rows = x.reshape(*x.shape[:2], -1)
    memory, windows = Memory(padded, padded, z), windows_in(block, schedule.columns * block.channels)
    with one_blas_thread():
        work_together(_forward_share, threads, x_rows, finish, windows, block, schedule, memory, *ways)


def backward(
    algorithm: ModuleType, received: Received, x: np.ndarray, weight: np.ndarray, dx: np.ndarray, block: Block,
    input_gradient: bool, threads: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Fill dx (where asked for) and return dweight, like weight, and dbias (F,)."""
    schedule, sizes = _plan(algorithm, block, x.shape, threads, backward=True)
    padded, z, *others = scratches(threads, sizes, x.dtype)
    ways = algorithm.prepare_backward(weight, block, x.shape, others)
    row_length = x.shape[2] * x.shape[3] if input_gradient else 1
    sums = Sums(
        zeroed_scratch(threads, algorithm.product_size(block), x.dtype),
        zeroed_scratch(threads, weight.size, np.dtype(np.float64)),
        zeroed_scratch(threads, block.filters, np.dtype(np.float64)),
        np.zeros((threads, max(block.kernel_h - block.stride_h, 1), row_length), x.dtype),
    )
    memory = Memory(padded, algorithm.input_gradient_memory(padded, others), z)
    x_rows, dx_rows = x.reshape(*x.shape[:2], -1), dx.reshape(*dx.shape[:2], -1)
    with one_blas_thread():
        work_together(
            _backward_share, threads, received, x_rows, dx_rows, block, schedule, input_gradient, memory, sums, *ways
        )
    if input_gradient:
        _add_seams(dx_rows, sums.seams, block, schedule)
    dweight = np.empty_like(weight, x.dtype, order="C")
    work_together(_add_shares, threads, sums.dweight, dweight.reshape(-1))
    return dweight, sums.dbias[:, : block.filters].sum(axis=0).astype(x.dtype)


@functools.lru_cache(maxsize=1024)  # with one small picture, planning would take as long as computing
def _plan(
    algorithm: ModuleType, block: Block, x_shape: tuple[int, ...], threads: int, backward: bool
) -> tuple[Schedule, tuple[int, ...]]:
    """Return the schedule and how many numbers a thread's memories take: padded input, z, and the algorithm's own."""
    height, step = (block.z_height, 1) if backward else (block.y_height, block.pool_stride_h)
    rows, group = algorithm.strips_and_groups(block, x_shape, height, step, threads)
    if backward and rows < height:
        rows += rows % 2  # so that strips end where 2×2 pooling windows do
    pads = algorithm.pads_input(block, x_shape)
    tile = algorithm.tile_of(block)
    z_columns = -(-block.z_width // tile) * tile
    columns = (z_columns - 1) * block.stride_w + block.kernel_w
    strips = -(-height // rows)
    units = -(-x_shape[0] // group) * strips
    schedule = Schedule(x_shape[0], height, rows, strips, group, units, tile, z_columns, columns, pads)
    z_rows = min(rows if backward else (rows - 1) * step + block.pool_h, block.z_height)
    z_rows = -(-z_rows // tile) * tile
    padded_size = group * rows_under(block, z_rows) * columns * block.channels
    z_size = group * z_rows * z_columns * block.filters
    others = algorithm.memory_sizes(block, x_shape, group, z_rows, padded_size, backward)
    return schedule, (padded_size, z_size, *others)


@entry
def _forward_share(thread, threads, x, finish, windows, block, schedule, memory, by_columns, by_tiles):
    padded, z_memory = memory.padded[thread], memory.z[thread]
    first, end = share(schedule.units, thread, threads)
    for unit in range(first, end):
        n_from, n_to, y_from, y_to = _place(schedule, unit)
        z_from, z_to = z_rows_under(block, y_from, y_to)
        z_rows = -(-(z_to - z_from) // schedule.tile) * schedule.tile
        inputs = _load(x, n_from, n_to, z_from, z_rows, block, schedule, padded)
        z = beginning(z_memory, n_to - n_from, z_rows, schedule.z_columns, block.filters)
        if by_columns is not None:
            tiled.convolve(x[n_from, z_from:z_to], inputs, block, by_columns, thread, z)
        if by_tiles is not None:
            winograd.convolve(inputs, block, by_tiles, thread, z)
        for n in range(n_from, n_to):
            numbers = inputs[n - n_from].reshape(-1) if schedule.pads else x[n, z_from:z_to].reshape(-1)
            finish_strip(z[n - n_from], z_from, numbers, windows, block, n, y_from, y_to, finish)


@entry
def _backward_share(
    thread, threads, received, x, dx, block, schedule, input_gradient, memory, sums, by_columns, by_tiles
):  # fmt: skip
    padded, dpadded, z_memory = memory.padded[thread], memory.dpadded[thread], memory.z[thread]
    products, dweight, dbias = sums.products[thread], sums.dweight[thread], sums.dbias[thread, : block.filters]
    seam = sums.seams[thread]
    first, end = share(schedule.units, thread, threads)
    own_row = first % schedule.strips * schedule.rows  # where the share begins in its first picture
    waiting = 0  # matrix products in `products`
    for unit in range(first, end):
        n_from, n_to, z_from, z_to = _place(schedule, unit)
        z_rows = -(-(z_to - z_from) // schedule.tile) * schedule.tile
        dz = beginning(z_memory, n_to - n_from, z_rows, schedule.z_columns, block.filters)
        if z_rows > z_to - z_from or schedule.z_columns > block.z_width:
            dz.reshape(-1).fill(0)  # what completes the last tiles
        for n in range(n_from, n_to):
            gradient_strip(received, block, n, z_from, z_to, dz[n - n_from], dbias)
        inputs = _load(x, n_from, n_to, z_from, z_rows, block, schedule, padded)
        dinputs = beginning(dpadded, n_to - n_from, inputs.shape[1], schedule.columns, block.channels)
        if by_columns is not None:
            source = x[n_from, z_from:z_to]
            waiting += tiled.gradients(source, inputs, dz, block, by_columns, thread, input_gradient, dinputs, products)
        if by_tiles is not None:
            waiting += winograd.gradients(inputs, dz, block, by_tiles, thread, input_gradient, dinputs, products)
        if input_gradient:
            own_from = own_row if unit // schedule.strips == first // schedule.strips else 0
            for n in range(n_from, n_to):
                add_strip(dinputs[n - n_from], dx, n, z_from, z_to, own_from, block, seam)
        if waiting >= PRODUCTS_TOGETHER or unit == end - 1:
            if by_columns is not None:
                tiled.add_up(products, block, by_columns, dweight)
            if by_tiles is not None:
                winograd.add_up(products, block, by_tiles, dweight)
            waiting = 0


@entry
def _add_shares(thread, threads, parts, total):
    """Set a part of `total` to the sum of what all threads collected, (threads, at least total's size) in float64."""
    first, end = share(total.size, thread, threads)
    for e in range(first, end):
        number = parts[0, e]
        for other in range(1, parts.shape[0]):
            number += parts[other, e]
        total[e] = number


@inner
def _place(schedule, unit):
    """Return the first picture of a unit, the one after its last, and the same of its rows."""
    group, strip = divmod(unit, schedule.strips)
    n, row = group * schedule.group, strip * schedule.rows
    return n, min(n + schedule.group, schedule.images), row, min(row + schedule.rows, schedule.height)


@inner
def _load(x, n_from, n_to, z_from, z_rows, block, schedule, padded):
    """Return the padded input under a strip of each picture of a unit, (pictures, rows, columns, C)."""
    inputs = beginning(padded, n_to - n_from, padded_rows(block, z_rows), schedule.columns, block.channels)
    if schedule.pads:
        for n in range(n_from, n_to):
            load_strip(x, n, z_from * block.stride_h - block.top, block, inputs[n - n_from])
    return inputs


@entry
def _add_seams(dx, seams, block, schedule):
    """Add what threads that began within a picture collected for the rows of the thread before them."""
    overlap = max(block.kernel_h - block.stride_h, 0)
    for thread in range(1, seams.shape[0]):
        first, _ = share(schedule.units, thread, seams.shape[0])
        strip = first % schedule.strips
        first_row = strip * schedule.rows * block.stride_h - block.top
        if strip > 0:
            for row in range(max(0, -first_row), min(overlap, dx.shape[1] - first_row)):
                add_row(seams[thread, row], dx[first // schedule.strips, first_row + row])
