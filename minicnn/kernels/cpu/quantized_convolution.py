"""Convolution and dense layer with bytes, for NumPy arrays: by products of pairs of 16-bit numbers, or depthwise.

Bytes less their zero, and weights, fit into 16 bits. Processors multiply twice as many such numbers at once as floats,
and add up each two neighbouring products in 32 bits. So windows are copied into rows of pairs, a few hundred windows at
a time, and weights are laid out in panels of 16 filters:

    columns (rows, K)           x − x_zero of a window, K = KH·KW·C, and one 0 more if that is odd
    packed  (panels, K/2, 16, 2)     the two weights of a pair for each of 16 filters

Six rows by sixteen filters are added up in registers. The sums are scaled and rounded while they are in the cache.
Shapes: x (N, H, W, C) uint8; y (N, OH, OW, F).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu.arrays import plain, whole
from minicnn.kernels.cpu.byte_lanes import add_pairs, load_bytes, store_bytes, widen
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.depthwise import BLOCK, axes
from minicnn.kernels.cpu.lanes import load, none, store
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.scratch import scratch
from minicnn.kernels.cpu.team import share, team_size, work_together
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, spread

ROWS, FILTERS = 6, 16  # whose sums are in registers at a time: twelve of AVX2's, six of AVX-512's
COLUMNS_KEPT = 1 << 16  # numbers of 16 bits, 128 KB of the second-level cache


class Windows(NamedTuple):
    """How windows lie on a picture of which there are `images`, in pixels."""

    images: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    top: int
    left: int
    dilation_h: int
    dilation_w: int


class Finish(NamedTuple):
    """What is done to sums, and where they go: into `y` (outputs, F), or where that is empty, into `y_bytes`, flat."""

    bias: np.ndarray
    scale: np.ndarray
    zero: int
    y_bytes: np.ndarray
    y: np.ndarray


def quantized_conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, scale: np.ndarray, x_zero: int, y_zero: int | None,
    stride: Pair = (1, 1), padding: Padding = (0, 0), groups: int = 1, dilation: Pair = (1, 1),
) -> np.ndarray:  # fmt: skip
    """Slide filters over bytes: the twin of `minicnn.ops.quantized_convolution.quantized_conv2d`."""
    depthwise = groups == x.shape[3] == weight.shape[3] and groups > 1
    if scale.dtype != np.float32 or x.size == 0 or (groups > 1 and not depthwise):
        return NotImplemented
    stride, dilation = whole((stride, dilation))
    (top, _), (left, _) = pad_amounts(padding)
    n, h, w, c = x.shape
    kh, kw, _, filters = weight.shape
    oh, ow = output_size((h, w), spread((kh, kw), dilation), stride, padding)
    y, finish = _finish(n * oh * ow, bias, scale, y_zero)
    if depthwise:
        rows, columns = axes((h, w), (kh, kw), stride, whole(pad_amounts(padding)), dilation)
        threads = team_size(y.size * kh * kw)
        sums = scratch(threads, ow * c, np.dtype(np.int32))
        taps = weight.astype(np.int32).reshape(-1)
        more = int(x_zero) * _tap_sums(weight)
        work_together(_depthwise, threads, plain(x), taps, -more, more, rows.y, columns.y, kw, oh, ow, sums, finish)
    else:
        windows = Windows(n, h, w, c, oh, ow, kh, kw, *stride, top, left, *dilation)
        _multiply(plain(x), weight.reshape(-1, filters), int(x_zero), windows, finish)
    return y.reshape(n, oh, ow, filters)


def quantized_dense(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, scale: np.ndarray, x_zero: int, y_zero: int | None
) -> np.ndarray:
    """Multiply bytes by the weights: the twin of `minicnn.ops.quantized_convolution.quantized_dense`."""
    if scale.dtype != np.float32 or x.size == 0:
        return NotImplemented
    n, inputs = x.shape
    y, finish = _finish(n, bias, scale, y_zero)
    windows = Windows(n, 1, 1, inputs, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1)
    _multiply(plain(x).reshape(n, 1, 1, inputs), weight, int(x_zero), windows, finish)
    return y


def _finish(outputs: int, bias: np.ndarray, scale: np.ndarray, zero: int | None) -> tuple[np.ndarray, Finish]:
    """Return the array for the result (outputs, F), and what is done to the sums."""
    y = empty((outputs, len(bias)), np.float32 if zero is None else np.uint8)
    no_bytes, no_floats = np.empty(0, np.uint8), np.empty((0, 0), np.float32)
    into = (no_bytes, y) if zero is None else (y.reshape(-1), no_floats)
    return y, Finish(plain(bias), plain(scale), int(zero or 0), *into)


def _tap_sums(weight: np.ndarray) -> np.ndarray:
    """Return the sums of a channel's taps (KH, KW, 1, C) above and to the left of each corner, ((KH + 1)·(KW + 1)·C,).

    The sum over a part of the window, which is all that an output at the edge sees, is four of them, added and taken
    off.
    """
    kh, kw, _, channels = weight.shape
    before = np.zeros((kh + 1, kw + 1, channels), np.int32)
    before[1:, 1:] = weight[:, :, 0].astype(np.int32).cumsum(axis=0).cumsum(axis=1)
    return before.reshape(-1)


def _multiply(x: np.ndarray, weight: np.ndarray, zero: int, windows: Windows, finish: Finish) -> None:
    size, filters = weight.shape
    pairs, panels = -(-size // 2), -(-filters // FILTERS)
    outputs = windows.images * windows.rows * windows.columns
    threads = team_size(outputs * size * filters)
    packed = empty((panels * pairs * FILTERS * 2,), np.int16)
    work_together(_pack, min(threads, panels), plain(weight), packed)
    most = max(ROWS, COLUMNS_KEPT // (2 * pairs) // ROWS * ROWS)
    rows = min(most, -(-outputs // threads // ROWS) * ROWS or ROWS)
    columns = scratch(threads, rows * 2 * pairs, np.dtype(np.int16))
    sums = scratch(threads, rows * panels * FILTERS, np.dtype(np.int32))
    work_together(_products, threads, x, packed, zero, windows, rows, pairs, panels, columns, sums, finish)


@entry
def _pack(thread, threads, weight, packed):
    """Lay out the weights (K, F) in panels; what completes the last panel and the last pair is 0."""
    size, filters = weight.shape
    pairs = (size + 1) // 2
    first, end = share((filters + FILTERS - 1) // FILTERS, thread, threads)
    for panel in range(first, end):
        count = min(FILTERS, filters - panel * FILTERS)
        for pair in range(pairs):
            to = (panel * pairs + pair) * FILTERS * 2
            for half in range(2):
                k = 2 * pair + half
                for f in range(FILTERS):
                    inside = k < size and f < count
                    packed[to + 2 * f + half] = weight[k, panel * FILTERS + f] if inside else 0


@entry
def _products(thread, threads, x, packed, zero, windows, rows, pairs, panels, columns, sums, finish):
    """Compute a share of the outputs, `rows` at a time."""
    x, columns, sums = x.reshape(-1), columns[thread], sums[thread]
    outputs, width, length = windows.images * windows.rows * windows.columns, panels * FILTERS, 2 * pairs
    pixels = windows.height * windows.width
    as_they_lie = windows.kernel_h * windows.kernel_w == 1 and windows.rows * windows.columns == pixels
    as_they_lie = as_they_lie and windows.channels == length and windows.top == 0 and windows.left == 0
    as_they_lie = as_they_lie and windows.stride_h == 1 and windows.stride_w == 1
    first, end = share(outputs, thread, threads)
    for start in range(first, end, rows):
        count = min(rows, end - start)
        if as_they_lie:
            _copy(x, start * length, zero, columns, 0, count * length)
        else:
            for row in range(count):
                _gather(x, start + row, zero, windows, columns, row * length, length)
        for panel in range(panels):
            for row in range(0, count, ROWS):
                to = row * width + panel * FILTERS
                _six_rows(columns, row * length, length, packed, panel * length * FILTERS, pairs, sums, to, width)
        for row in range(count):
            _scale(sums, row * width, start + row, finish)


@inner
def _gather(x, output, zero, windows, columns, to, length):
    """Copy the window of an output to columns[to…to + length − 1]; 0 for what lies in the padding, or beyond it."""
    n, place = divmod(output, windows.rows * windows.columns)
    i, j = divmod(place, windows.columns)
    channels, end, left = windows.channels, to + length, j * windows.stride_w - windows.left
    side_by_side = windows.dilation_w == 1 and left >= 0 and left + windows.kernel_w <= windows.width
    for ky in range(windows.kernel_h):
        row = i * windows.stride_h + ky * windows.dilation_h - windows.top
        line = (n * windows.height + row) * windows.width
        inside = 0 <= row < windows.height
        if inside and side_by_side:
            _copy(x, (line + left) * channels, zero, columns, to, windows.kernel_w * channels)
            to += windows.kernel_w * channels
            continue
        for kx in range(windows.kernel_w):
            column = left + kx * windows.dilation_w
            if inside and 0 <= column < windows.width:
                _copy(x, (line + column) * channels, zero, columns, to, channels)
            else:
                for c in range(channels):
                    columns[to + c] = 0
            to += channels
    if to < end:
        columns[to] = 0


@inner
def _copy(x, at, zero, columns, to, count):
    """Copy neighbouring bytes, less their zero."""
    for e in range(0, count // 16 * 16, 16):
        widen(x, at + e, zero, columns, to + e, 16)
    e = count // 16 * 16
    if count - e >= 8:
        widen(x, at + e, zero, columns, to + e, 8)
        e += 8
    for last in range(e, count):
        widen(x, at + last, zero, columns, to + last, 1)


@inner
def _six_rows(columns, row, length, packed, panel, pairs, sums, to, width):
    """Fill six rows of sixteen sums: those of the windows from columns[row] on, `length` apart, with a panel."""
    t0 = none(sums, 16)
    t1 = none(sums, 16)
    t2 = none(sums, 16)
    t3 = none(sums, 16)
    t4 = none(sums, 16)
    t5 = none(sums, 16)
    for pair in range(pairs):
        a, w = row + 2 * pair, panel + 32 * pair
        t0 = add_pairs(columns, a, packed, w, t0)
        t1 = add_pairs(columns, a + length, packed, w, t1)
        t2 = add_pairs(columns, a + 2 * length, packed, w, t2)
        t3 = add_pairs(columns, a + 3 * length, packed, w, t3)
        t4 = add_pairs(columns, a + 4 * length, packed, w, t4)
        t5 = add_pairs(columns, a + 5 * length, packed, w, t5)
    store(sums, to, t0)
    store(sums, to + width, t1)
    store(sums, to + 2 * width, t2)
    store(sums, to + 3 * width, t3)
    store(sums, to + 4 * width, t4)
    store(sums, to + 5 * width, t5)


@inner
def _scale(sums, start, output, finish):
    """Turn the sums of an output, from sums[start] on, into its results."""
    bias, scale, filters = finish.bias, finish.scale, finish.bias.size
    if finish.y.size:
        for f in range(filters):
            finish.y[output, f] = np.float32(sums[start + f] + bias[f]) * scale[f]
        return
    y, to = finish.y_bytes, output * filters
    for f in range(0, filters // 16 * 16, 16):
        store_bytes(sums, start + f, bias, scale, f, finish.zero, y, to + f, 16)
    f = filters // 16 * 16
    if filters - f >= 8:
        store_bytes(sums, start + f, bias, scale, f, finish.zero, y, to + f, 8)
        f += 8
    for last in range(f, filters):
        store_bytes(sums, start + last, bias, scale, last, finish.zero, y, to + last, 1)


@entry
def _depthwise(thread, threads, x, taps, less, more, rows, columns, kernel_w, height, width, sums, finish):
    """Compute a share of the rows of all pictures, each channel by its own filter.

    less, more: the zero times the sums of taps of `_tap_sums`, taken off and added.
    """
    images, channels, sums = x.shape[0], x.shape[3], sums[thread]
    in_blocks = channels // BLOCK * BLOCK
    down, across = rows.source_step * x.shape[2] * channels, columns.source_step * channels
    line = kernel_w * channels
    first, end = share(images * height, thread, threads)
    for row in range(first, end):
        n, i = divmod(row, height)
        picture = x[n].reshape(-1)
        first_y, source_y, taps_y = rows.first[i]
        for j in range(width):
            first_x, source_x, taps_x = columns.first[j]
            at, tap = (source_y * x.shape[2] + source_x) * channels, first_y * line + first_x * channels
            corners = (kernel_w + 1) * channels  # from one row of corners to the next
            top_left = first_y * corners + first_x * channels
            top_right, below = top_left + taps_x * channels, taps_y * corners
            for c in range(0, in_blocks, BLOCK):
                total = load(less, top_right + below + c, 16) + load(more, top_left + below + c, 16)
                total += load(more, top_right + c, 16) + load(less, top_left + c, 16)
                pixel, weight = at + c, tap + c
                for _ in range(taps_y):
                    if taps_x == 3:
                        total += (
                            load_bytes(picture, pixel, 16) * load(taps, weight, 16)
                            + load_bytes(picture, pixel + across, 16) * load(taps, weight + channels, 16)
                            + load_bytes(picture, pixel + 2 * across, 16) * load(taps, weight + 2 * channels, 16)
                        )
                    else:
                        for kx in range(taps_x):
                            numbers = load_bytes(picture, pixel + kx * across, 16)
                            total += numbers * load(taps, weight + kx * channels, 16)
                    pixel += down
                    weight += line
                store(sums, j * channels + c, total)
            for c in range(in_blocks, channels):
                of_one = less[top_right + below + c] + more[top_left + below + c]
                of_one += more[top_right + c] + less[top_left + c]
                for ky in range(taps_y):
                    for kx in range(taps_x):
                        number = np.int32(picture[at + ky * down + kx * across + c])
                        of_one += number * taps[tap + ky * line + kx * channels + c]
                sums[j * channels + c] = of_one
        for j in range(width):
            _scale(sums, j * channels, row * width + j, finish)
