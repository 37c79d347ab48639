"""Batch normalisation [+ residual] [+ ReLU] for NumPy arrays: two passes over memory forward, two backward.

Both ways the first pass adds up over all pixels, each thread on its own, and the second uses the sums. A pass reads the
arrays as one long line of numbers, in rows of as many whole pixels as make them long enough for vector instructions;
what there is for each channel is laid out as such a row too, repeated for each of its pixels.

All sums are in float64. That costs nothing: the passes wait for memory.
"""

from __future__ import annotations

from math import inf

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.compiling import contracting_entry, inner
from minicnn.kernels.cpu.elementwise import flat, threads_for
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together

ROW = 128  # numbers: a row is no shorter
TOGETHER = 4  # rows are added up so many at a time, before they go to the sums


def norm_block(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float, residual: np.ndarray | None = None,
    relu: bool = True, relu6: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Normalise by the batch's statistics, add, cut off: the twin of `minicnn.ops.norm_block.norm_block`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    line, threads, rows = flat(x), threads_for(x.size), row_length(weight.size)
    sums, terms = np.empty((threads, 2, rows)), np.empty((3, rows), x.dtype)
    y, mean, variance = empty(x.shape, x.dtype), np.empty(weight.size, x.dtype), np.empty(weight.size, x.dtype)
    work_together(_add_moments, threads, line, weight.size, sums)
    _settle_moments(sums, line, plain(weight), plain(bias), float(epsilon), mean, variance, terms)
    added = line if residual is None else flat(residual)
    work_together(normalise, threads, line, terms, added, y.reshape(-1), residual is not None, *_cut_off(relu, relu6))
    return y, mean, variance


def norm_block_backward(
    dy: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray, mean: np.ndarray, variance: np.ndarray,
    epsilon: float, relu: bool = True, residual: bool = True, relu6: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:  # fmt: skip
    """Run the block backwards: the twin of `minicnn.ops.norm_block.norm_block_backward`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    mean, source, activation, threads = plain(mean), flat(x), flat(y), threads_for(x.size)
    cuts, ceiling = _cut_off(relu, relu6)
    dz = empty(x.shape, x.dtype) if cuts and residual else dy
    sums = sum_gradients(dy, source, activation, mean, dz, cuts, ceiling)
    terms = np.empty((4, row_length(mean.size)), x.dtype)
    dx, dweight, dbias = empty(x.shape, x.dtype), np.empty_like(mean), np.empty_like(mean)
    pixels = x.size // mean.size
    _settle_gradients(sums, pixels, plain(weight), mean, plain(variance), float(epsilon), dweight, dbias, terms)
    mask = cuts and not residual
    work_together(_gradient, threads, flat(dz), activation, source, terms, dx.reshape(-1), mask, ceiling)
    return dx, dweight, dbias, dz if residual else None


def _cut_off(relu: bool, relu6: bool) -> tuple[bool, float]:
    """Return whether values are cut off below at 0, and where above."""
    return bool(relu or relu6), 6.0 if relu6 else inf


def sum_gradients(
    dy: np.ndarray, x: np.ndarray, y: np.ndarray, mean: np.ndarray, dz: np.ndarray, relu: bool, ceiling: float = inf
) -> np.ndarray:
    """Return in float64, (threads, 3, a row), the threads' sums over all pixels of dz, dz ⊙ (x − mean) and x − mean.

    dz is dy where ReLU let values through, that is with `relu` where 0 < y < ceiling; it is written to the array `dz`
    unless that is dy itself. x and y: as one line each.
    """
    threads, keep = threads_for(x.size), dz is not dy
    gradient, sums = flat(dy), np.empty((threads, 3, row_length(mean.size)))
    target = dz.reshape(-1) if keep else gradient
    work_together(_add_gradients, threads, gradient, x, y, mean, target, sums, relu, ceiling, keep)
    return sums


def row_length(channels: int) -> int:
    """Return how many numbers make a row of whole pixels: `ROW` or a few more."""
    return -(-ROW // channels) * channels


@inner
def _fold(sums, channels):
    """Return the threads' sums (threads, count, a row) as one for each channel: (count, C)."""
    totals = np.zeros((sums.shape[1], channels))
    for thread in range(sums.shape[0]):
        for count in range(sums.shape[1]):
            for pixel in range(0, sums.shape[2], channels):
                for c in range(channels):
                    totals[count, c] += sums[thread, count, pixel + c]
    return totals


@inner
def _repeat(value, channel, channels, row):
    """Set the places of `channel` in a row to `value`."""
    for e in range(channel, row.size, channels):
        row[e] = value


@contracting_entry
def _add_moments(thread, threads, x, channels, sums):
    """Set sums[thread, 0] to the sum over the thread's rows of x − first, sums[thread, 1] to that of its square.

    first: the first pixel, whose channels make x − first as small as the deviation of x, however large its mean.
    """
    length = sums.shape[2]
    first, of_values, of_squares = np.empty(length), np.zeros(length), np.zeros(length)
    for c in range(channels):
        _repeat(x[c], c, channels, first)
    begin, alone, end = _rows_of(thread, threads, x.size, length)
    for i in range(begin, alone, TOGETHER * length):
        a, b, c, d = _four_rows(x, i, length)
        for e in range(length):
            p, q, r, s = a[e] - first[e], b[e] - first[e], c[e] - first[e], d[e] - first[e]
            of_values[e] += (p + q) + (r + s)
            of_squares[e] += (p * p + q * q) + (r * r + s * s)
    for i in range(alone, end, length):
        row = x[i : min(i + length, end)]
        for e in range(row.size):
            p = row[e] - first[e]
            of_values[e] += p
            of_squares[e] += p * p
    sums[thread, 0], sums[thread, 1] = of_values, of_squares


@contracting_entry
def _settle_moments(sums, x, weight, bias, epsilon, mean, variance, terms):
    """Fill mean and variance (C,), and the rows of `terms` for `normalise`: mean, scale and bias."""
    channels = mean.size
    totals, pixels = _fold(sums, channels), x.size // channels
    for c in range(channels):
        distance = totals[0, c] / pixels  # of the mean from the first pixel
        exact = x[c] + distance
        # At most M times the variance is taken off here for M pixels, the first being one of them: few digits are lost.
        spread = totals[1, c] / pixels - distance * distance
        mean[c], variance[c] = exact, 0 if spread < 0 else spread
        scale = weight[c] / np.sqrt(max(spread, 0.0) + epsilon)
        _repeat(mean[c], c, channels, terms[0])
        _repeat(scale, c, channels, terms[1])
        # x − mean loses nothing with the rounded mean; what rounding took off the mean goes into the bias.
        _repeat(bias[c] + scale * (mean[c] - exact), c, channels, terms[2])


@contracting_entry
def normalise(thread, threads, x, terms, residual, y, add, relu, ceiling):
    """Set the thread's rows of y to (x − mean)·scale + bias, the rows of `terms`; then add and cut off if asked to."""
    mean, scale, bias = terms[0], terms[1], terms[2]
    zero, most = x.dtype.type(0), x.dtype.type(ceiling)  # a plain 0 would turn float32 into float64
    begin, _, end = _rows_of(thread, threads, x.size, mean.size)
    for i in range(begin, end, mean.size):
        past = min(i + mean.size, end)
        source, added, target = x[i:past], residual[i:past], y[i:past]
        for e in range(source.size):
            value = (source[e] - mean[e]) * scale[e] + bias[e]
            if add:
                value += added[e]
            value = zero if relu and value <= zero else value  # `<=` is false for NaN, which stays
            target[e] = most if value > most else value


@contracting_entry
def _add_gradients(thread, threads, dy, x, y, mean, dz, sums, relu, ceiling, keep):
    """Set sums[thread] to the sums over the thread's rows of dz, dz·(x − mean) and x − mean; see `sum_gradients`."""
    length = sums.shape[2]
    centre, of_gradients = np.empty(length), np.zeros(length)
    of_products, of_values = np.zeros(length), np.zeros(length)
    for c in range(mean.size):
        _repeat(mean[c], c, mean.size, centre)
    masked = np.empty(TOGETHER * length, x.dtype)
    begin, alone, end = _rows_of(thread, threads, x.size, length)
    for i in range(begin, alone, TOGETHER * length):
        past = i + TOGETHER * length
        gradient = _let_through(dy[i:past], y[i:past], dz[i:past] if keep else masked, ceiling) if relu else dy[i:past]
        a, b, c, d = _four_rows(x, i, length)
        p, q, r, t = _four_rows(gradient, 0, length)
        for e in range(length):
            m = centre[e]
            ga, gb, gc, gd = np.float64(p[e]), np.float64(q[e]), np.float64(r[e]), np.float64(t[e])
            va, vb, vc, vd = a[e] - m, b[e] - m, c[e] - m, d[e] - m
            of_gradients[e] += (ga + gb) + (gc + gd)
            of_products[e] += (ga * va + gb * vb) + (gc * vc + gd * vd)
            of_values[e] += (va + vb) + (vc + vd)
    for i in range(alone, end, length):
        past = min(i + length, end)
        gradient = _let_through(dy[i:past], y[i:past], dz[i:past] if keep else masked, ceiling) if relu else dy[i:past]
        row = x[i:past]
        for e in range(row.size):
            value = row[e] - centre[e]
            of_gradients[e] += gradient[e]
            of_products[e] += gradient[e] * value
            of_values[e] += value
    sums[thread, 0], sums[thread, 1], sums[thread, 2] = of_gradients, of_products, of_values


@contracting_entry
def _settle_gradients(sums, pixels, weight, mean, variance, epsilon, dweight, dbias, terms):
    """Fill dweight and dbias (C,), and the rows of `terms` for `_gradient`: mean, scale, slope and level.

    With x̂ = (x − mean − rest)/deviation, dx = scale·(dz − dbias/M − x̂·dweight/M) is in powers of x − mean
    scale·dz − slope·(x − mean) − level.
    """
    channels = mean.size
    totals = _fold(sums, channels)
    for c in range(channels):
        rest = totals[2, c] / pixels  # what rounding took off the mean
        deviation = np.sqrt(variance[c] + epsilon)
        of_bias, of_weight = totals[0, c], (totals[1, c] - rest * totals[0, c]) / deviation
        dbias[c], dweight[c] = of_bias, of_weight
        scale = weight[c] / deviation
        slope = scale * of_weight / (pixels * deviation)
        _repeat(mean[c], c, channels, terms[0])
        _repeat(scale, c, channels, terms[1])
        _repeat(slope, c, channels, terms[2])
        _repeat(scale * of_bias / pixels - slope * rest, c, channels, terms[3])


@contracting_entry
def _gradient(thread, threads, dz, y, x, terms, dx, relu, ceiling):
    """Set the thread's rows of dx to scale·dz − slope·(x − mean) − level; dz counts where ReLU let through."""
    mean, scale, slope, level = terms[0], terms[1], terms[2], terms[3]
    zero, one, most, endless = x.dtype.type(0), x.dtype.type(1), x.dtype.type(ceiling), ceiling == np.inf
    begin, _, end = _rows_of(thread, threads, x.size, mean.size)
    for i in range(begin, end, mean.size):
        past = min(i + mean.size, end)
        gradient, activation, source, target = dz[i:past], y[i:past], x[i:past], dx[i:past]
        for e in range(source.size):
            inside = (activation[e] > zero) & (endless | (activation[e] < most))
            through = gradient[e] * (one if not relu or inside else zero)
            target[e] = scale[e] * through - slope[e] * (source[e] - mean[e]) - level[e]


@inner
def _rows_of(thread, threads, size, row):
    """Return where the thread's share of a line of `size` numbers begins, where its last few rows begin, and its end.

    The rows up to there are whole ones, `TOGETHER` times any number; the last row of the line may be shorter.
    """
    first, past = share(-(-size // row), thread, threads)
    begin, end = first * row, min(past * row, size)
    return begin, begin + (end - begin) // (TOGETHER * row) * TOGETHER * row, end


@inner
def _four_rows(line, start, row):
    """Return the four rows that begin at `start`."""
    a, b, c, d = start, start + row, start + 2 * row, start + 3 * row
    return line[a:b], line[b:c], line[c:d], line[d : d + row]


@inner
def _let_through(gradient, activation, target, ceiling):
    """Fill `target` with the gradient where ReLU let the value through, else 0 (NaN stays), and return it."""
    zero, one, most = gradient.dtype.type(0), gradient.dtype.type(1), gradient.dtype.type(ceiling)
    endless = ceiling == np.inf
    for e in range(gradient.size):
        target[e] = gradient[e] * (one if (activation[e] > zero) & (endless | (activation[e] < most)) else zero)
    return target
