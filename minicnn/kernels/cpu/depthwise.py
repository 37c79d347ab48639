"""Depthwise convolution for NumPy arrays: every channel has a filter of its own, or several, one after the other.

Shapes: x (N, H, W, C); weight (KH, KW, 1, C); bias (C,); y, dy (N, OH, OW, C). With M filters a channel, weight, bias,
y and dy have M·C filters, and filter f reads channel f // M.

    y[n, i, j, c]      = Σ x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c] · weight[ky, kx, c]  +  bias[c]
    dx[n, y, x', c]    = Σ dy[n, i, j, c] · weight[ky, kx, c]      over all (i, j), (ky, kx) that meet at pixel (y, x')
    dweight[ky, kx, c] = Σ dy[n, i, j, c] · x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c]

There is no sum over channels, so there are no matrices to multiply: a number that is read takes part in KH·KW products,
and time goes into reading and writing pictures. Both are done once: y and dx come about in the same way, each of their
pixels collects its products in one go, and backward, dx and dweight are made from the same few rows of dy while these
are in the cache. The innermost loops run over channels, which are contiguous.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu.arrays import plain, whole
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.lanes import add_to, load, none, store
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, team_size, work_together
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, spread

BLOCK = 16  # channels at a time: two vectors of AVX2, one of AVX-512
PIXELS = 32  # whose products are added up in the arrays' own dtype, before the sum goes on in float64


class Collection(NamedTuple):
    """What the places of a target (y or dx) collect from a source (x or dy), along one axis.

    first: (places, 3), for each place its first tap (index of the kernel), the place of the source that goes with it,
    and how many taps it has; for the next tap, add tap_step to the tap and source_step to the source.
    """

    first: np.ndarray
    tap_step: int
    source_step: int


class Axis(NamedTuple):
    """One axis of the convolution, with the picture's borders: output i meets pixel i·stride + k·dilation − before.

    taps: (K, 3), for each tap the first output that it meets the picture in, the one after the last, and its pixel in
    the first.
    """

    y: Collection
    dx: Collection
    taps: np.ndarray
    stride: int


def depthwise(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Padding, dilation: Pair,
    relu: bool = False, relu6: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return y (N, OH, OW, M·C), cut off by ReLU, or ReLU6, if asked to."""
    each = weight.shape[3] // x.shape[3]
    if each > 1:
        parts = [
            depthwise(
                x, weight[..., m::each], None if bias is None else bias[m::each], stride, padding, dilation, relu, relu6
            )
            for m in range(each)
        ]
        return np.stack(parts, axis=4).reshape(*parts[0].shape[:3], weight.shape[3])
    rows, columns = axes(x.shape[1:3], weight.shape[:2], *whole((stride, padding, dilation)))
    y = empty((x.shape[0], len(rows.y.first), len(columns.y.first), x.shape[3]), x.dtype)
    bias = np.zeros(x.shape[3], x.dtype) if bias is None else plain(bias)
    threads = team_size(y.size * weight.shape[0] * weight.shape[1])
    lowest, highest = 0.0 if relu else -math.inf, 6.0 if relu6 else math.inf
    work_together(_forward, threads, plain(x), plain(weight), bias, y, rows, columns, lowest, highest)
    return y


def depthwise_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, dilation: Pair,
    input_gradient: bool,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:  # fmt: skip
    """Return dx (N, H, W, C), or None if there is no `input_gradient`; dweight like weight; dbias (M·C,)."""
    each = weight.shape[3] // x.shape[3]
    if each > 1:
        dx, dweight, dbias = None, np.empty_like(weight), np.empty(weight.shape[3], weight.dtype)
        for m in range(each):
            part, dweight[..., m::each], dbias[m::each] = depthwise_backward(
                dy[..., m::each], x, weight[..., m::each], stride, padding, dilation, input_gradient
            )
            dx = part if dx is None else dx + part
        return dx, dweight, dbias
    rows, columns = axes(x.shape[1:3], weight.shape[:2], *whole((stride, padding, dilation)))
    dx = empty(x.shape if input_gradient else (1, 1, 1, 1), x.dtype)
    threads = team_size(2 * dy.size * weight.shape[0] * weight.shape[1])
    dweight_sums, dbias_sums = np.zeros((threads, weight.size)), np.zeros((threads, x.shape[3]))
    work_together(
        _backward, threads, plain(dy), plain(x), plain(weight), dx, dweight_sums, dbias_sums, rows, columns,
        input_gradient,
    )  # fmt: skip
    dweight, dbias = (sums.sum(axis=0).astype(x.dtype) for sums in (dweight_sums, dbias_sums))
    return dx if input_gradient else None, dweight.reshape(weight.shape), dbias


@functools.lru_cache(maxsize=1024)  # a network asks for the same few at every step
def axes(size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Axis, Axis]:
    """Return the axes of rows and of columns."""
    outputs = output_size(size, spread(kernel, dilation), stride, padding)
    before = [before for before, _ in pad_amounts(padding)]
    rows, columns = zip(size, outputs, kernel, stride, before, dilation, strict=True)
    return _axis(*rows), _axis(*columns)


def _axis(pixels: int, outputs: int, kernel: int, stride: int, before: int, dilation: int) -> Axis:
    collected_by_y: list[list[Pair]] = [[] for _ in range(outputs)]
    collected_by_dx: list[list[Pair]] = [[] for _ in range(pixels)]
    taps = []
    for tap in range(kernel):
        met = [(i, i * stride + tap * dilation - before) for i in range(outputs)]
        met = [(i, pixel) for i, pixel in met if 0 <= pixel < pixels]
        for i, pixel in met:
            collected_by_y[i].append((tap, pixel))
            collected_by_dx[pixel].append((tap, i))
        taps.append((met[0][0], met[-1][0] + 1, met[0][1]) if met else (0, 0, 0))
    common = math.gcd(stride, dilation)
    return Axis(
        Collection(_first(collected_by_y), 1, dilation),
        Collection(_first(collected_by_dx), stride // common, -dilation // common),
        np.array(taps),
        stride,
    )


def _first(collected: Sequence[Sequence[Pair]]) -> np.ndarray:
    return np.array([(*meetings[0], len(meetings)) if meetings else (0, 0, 0) for meetings in collected])


@entry
def _forward(thread, threads, x, weight, bias, y, rows, columns, lowest, highest):
    images, height, _, _ = y.shape
    first, end = share(images * height, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, height)
        _collect_row(x[n], weight, bias, y[n, i], rows.y, i, columns.y)
        if lowest > -np.inf:
            _cut_off(y[n, i].reshape(-1), y.dtype.type(lowest), y.dtype.type(highest))


@inner
def _cut_off(row, lowest, highest):
    """Bring a row, which is still in the cache, between the two; NaN stays."""
    for e in range(row.size):
        value = lowest if row[e] <= lowest else row[e]
        row[e] = highest if value > highest else value


@entry
def _backward(thread, threads, dy, x, weight, dx, dweight, dbias, rows, columns, input_gradient):
    """Go through a share of dy's rows, and by the way through as large a share of dx's rows."""
    images, height, _, channels = dy.shape
    nothing = np.zeros(channels, x.dtype)
    first, end = share(images * height, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, height)
        if input_gradient:
            for y in range(*share(x.shape[1], i, height)):
                _collect_row(dy[n], weight, nothing, dx[n, y], rows.dx, y, columns.dx)
        _add_row_to_sums(dy[n, i], x[n], rows.y, i, columns, dweight[thread], dbias[thread])


def _collector(lanes: int) -> Callable[..., None]:
    @inner
    def collect(source, weight, bias, target, rows, place, columns, first, end):
        """Fill channels first…end−1 of a row (width, C) of the target from the source's picture (rows, columns, C)."""
        _, width, channels = source.shape
        x, w, y = source.reshape(-1), weight.reshape(-1), target.reshape(-1)
        first_y, source_y, taps_y = rows.first[place]
        # How far it is to the next row and the next column, of the source and of the kernel.
        down, across = rows.source_step * width * channels, columns.source_step * channels
        tap_down, tap_across = rows.tap_step * weight.shape[1] * channels, columns.tap_step * channels
        for j in range(target.shape[0]):
            first_x, source_x, taps_x = columns.first[j]
            for c in range(first, end, lanes):
                at = (source_y * width + source_x) * channels + c
                tap = (first_y * weight.shape[1] + first_x) * channels + c
                total = load(bias, c, lanes)
                for _ in range(taps_y):
                    if taps_x == 3:
                        total += (
                            load(x, at, lanes) * load(w, tap, lanes)
                            + load(x, at + across, lanes) * load(w, tap + tap_across, lanes)
                            + load(x, at + 2 * across, lanes) * load(w, tap + 2 * tap_across, lanes)
                        )
                    else:
                        for kx in range(taps_x):
                            total += load(x, at + kx * across, lanes) * load(w, tap + kx * tap_across, lanes)
                    at += down
                    tap += tap_down
                store(y, j * channels + c, total)

    return collect


_collect_blocks, _collect_singly = _collector(BLOCK), _collector(1)


@inner
def _collect_row(source, weight, bias, target, rows, place, columns):
    """Fill one row (width, C) of the target from the source's picture (rows, columns, C)."""
    channels = bias.size
    in_blocks = channels // BLOCK * BLOCK
    _collect_blocks(source, weight, bias, target, rows, place, columns, 0, in_blocks)
    if in_blocks < channels:
        _collect_singly(source, weight, bias, target, rows, place, columns, in_blocks, channels)


def _summer(lanes: int) -> Callable[..., None]:
    @inner
    def add_to_sums(dy, x, rows, i, columns, dweight, dbias, first, end):
        """Add what channels first…end−1 of row i of dy (OW, C) give; x (H, W, C) is its picture."""
        _, width, channels = x.shape
        outputs, kernel_w, stride = dy.shape[0], columns.taps.shape[0], columns.stride * channels
        gradients, pixels = dy.reshape(-1), x.reshape(-1)
        first_y, source_y, taps_y = rows.first[i]
        for j_from in range(0, outputs, PIXELS):
            j_to = min(j_from + PIXELS, outputs)
            for c in range(first, end, lanes):
                total = none(pixels, lanes)
                for j in range(j_from, j_to):
                    total += load(gradients, j * channels + c, lanes)
                add_to(dbias, c, total)
                for ky in range(taps_y):
                    row = (source_y + ky * rows.source_step) * width
                    for kx in range(kernel_w):
                        first_j, end_j, pixel = columns.taps[kx]
                        j, pairs = max(first_j, j_from), (min(end_j, j_to) - max(first_j, j_from)) // 2
                        d, p = j * channels + c, (row + pixel + (j - first_j) * columns.stride) * channels + c
                        total = none(pixels, lanes)
                        for _ in range(pairs):
                            total += load(gradients, d, lanes) * load(pixels, p, lanes) + load(
                                gradients, d + channels, lanes
                            ) * load(pixels, p + stride, lanes)
                            d += 2 * channels
                            p += 2 * stride
                        if j + 2 * pairs < min(end_j, j_to):
                            total += load(gradients, d, lanes) * load(pixels, p, lanes)
                        add_to(dweight, ((first_y + ky) * kernel_w + kx) * channels + c, total)

    return add_to_sums


_add_blocks_to_sums, _add_singly_to_sums = _summer(BLOCK), _summer(1)


@inner
def _add_row_to_sums(dy, x, rows, i, columns, dweight, dbias):
    """Add what row i of dy (OW, C) gives to dweight (KH·KW·C,) and to dbias (C,); x (H, W, C) is its picture."""
    in_blocks = dbias.size // BLOCK * BLOCK
    _add_blocks_to_sums(dy, x, rows, i, columns, dweight, dbias, 0, in_blocks)
    if in_blocks < dbias.size:
        _add_singly_to_sums(dy, x, rows, i, columns, dweight, dbias, in_blocks, dbias.size)
