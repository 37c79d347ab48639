"""What stands around a convolution in a fused block, done to a strip: bias, ReLU, max-pool, and the way back.

`finish_strip` turns z, the convolution's output, into y before z leaves the cache; `gradient_strip` unfolds dy into dz,
which never leaves the cache either. Shapes as in `strips`: z and dz (rows, ZW, F); y, dy, argmax (N, YH, YW, F).
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.compiling import inner
from minicnn.kernels.cpu.strips import add_row, copy_row, pools_2x2
from minicnn.kernels.cpu.ties import choose_first_of_same


@inner
def finish_strip(z, z_from, numbers, windows, block, n, y_from, y_to, finish):
    """Turn a strip of z into rows y_from…y_to−1 of y: scale it, add bias and residual, apply ReLU, and pool.

    numbers, windows: what z was made from, as in `ties`.
    """
    y = finish.y[n, y_from:y_to]
    if not block.pooled:
        if block.scaled or block.added:
            residual = finish.residual[n, y_from:y_to] if block.added else finish.residual[0]
            _scale_and_add(z, finish.scale, finish.bias, block.relu, block.ceiling, residual, block.added, y)
        else:
            _add_bias(z, finish.bias, block.relu, block.ceiling, y)
        return
    if block.scaled:
        for i in range(z.shape[0]):
            row = z[i].reshape(-1)
            for start in range(0, row.size, finish.scale.size):
                for f in range(finish.scale.size):
                    row[start + f] *= finish.scale[f]
    if not block.indexed:
        if pools_2x2(block):
            _largest_2x2(z, finish.bias, block.relu, y)
        else:
            _largest(z, z_from, finish.bias, block, y_from, y)
        return
    if pools_2x2(block):
        _pool_2x2(z, finish.bias, block.relu, y, finish.argmax[n, y_from:y_to])
    else:
        _pool_any(z, z_from, finish.bias, block, n, y_from, y_to, finish.y, finish.argmax)
    choose_first_of_same(numbers, windows, z_from, block, y_from, y_to, finish.argmax[n])


@inner
def _scale_and_add(z, scale, bias, relu, ceiling, residual, added, y):
    """Scale z, and add the bias and, if `added`, the rows of the residual; else that is one pixel of zeros."""
    zero, most = bias.dtype.type(0), bias.dtype.type(ceiling)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            source, pixel, other = z[i, j], y[i, j], residual[i, j] if added else residual[0, 0]
            for f in range(bias.size):
                value = source[f] * scale[f] + bias[f] + other[f]
                value = zero if relu and value <= zero else value
                pixel[f] = most if value > most else value


@inner
def _add_bias(z, bias, relu, ceiling, y):
    zero, most = bias.dtype.type(0), bias.dtype.type(ceiling)  # a plain 0 would turn float32 into float64
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            source, pixel = z[i, j], y[i, j]
            for f in range(bias.size):
                value = source[f] + bias[f]
                value = zero if relu and value <= zero else value  # `<=` is false for NaN, which stays
                pixel[f] = most if value > most else value


@inner
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


@inner
def _larger(candidate, index, best, best_index):
    """Return the candidate with its index if it is larger than the best so far, or the first NaN."""
    # `&`, not `and`, and two choices of one value each: so that the compiler can do without branches.
    larger = (not candidate <= best) & (best == best)
    return candidate if larger else best, np.int32(index) if larger else np.int32(best_index)


@inner
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


@inner
def _largest_2x2(z, bias, relu, y):
    """Pool 2×2 windows without saying where the largest were."""
    lowest = bias.dtype.type(0 if relu else -np.inf)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            a, b, c, d = z[2 * i, 2 * j], z[2 * i, 2 * j + 1], z[2 * i + 1, 2 * j], z[2 * i + 1, 2 * j + 1]
            pixel = y[i, j]
            for f in range(bias.size):
                best = lowest
                for candidate in (a[f] + bias[f], b[f] + bias[f], c[f] + bias[f], d[f] + bias[f]):
                    best = candidate if (not candidate <= best) & (best == best) else best  # as `_larger`
                pixel[f] = best


@inner
def _largest(z, z_from, bias, block, y_from, y):
    """Pool without saying where the largest were."""
    lowest = bias.dtype.type(0 if block.relu else -np.inf)
    for i in range(y.shape[0]):
        row = (y_from + i) * block.pool_stride_h - block.pool_top
        for j in range(block.y_width):
            column = j * block.pool_stride_w - block.pool_left
            pixel = y[i, j]
            pixel.fill(lowest)
            for ky in range(max(0, -row), min(block.pool_h, block.z_height - row)):
                for kx in range(max(0, -column), min(block.pool_w, block.z_width - column)):
                    candidates = z[row + ky - z_from, column + kx]
                    for f in range(bias.size):
                        candidate, best = candidates[f] + bias[f], pixel[f]
                        pixel[f] = candidate if (not candidate <= best) & (best == best) else best  # as `_larger`


@inner
def gradient_strip(received, block, n, z_from, z_to, dz, dbias):
    """Fill dz, rows z_from…z_to−1 of the gradient at the convolution's output, and add it up into dbias (float64).

    dz may reach beyond the needed rows and columns of z: there it is left alone.
    """
    dy, y, argmax = received
    if not block.pooled:
        _mask(dy[n, z_from:z_to], y[n, z_from:z_to], block.relu, dz, dbias)
    elif pools_2x2(block) and z_from % 2 == 0 and z_to % 2 == 0:
        rows = slice(z_from // 2, z_to // 2)
        _unpool_2x2(dy[n, rows], y[n, rows], argmax[n, rows], block.relu, dz, dbias)
    else:
        _unpool_any(dy, y, argmax, block, n, z_from, z_to, dz, dbias)


@inner
def _mask(dy, y, relu, dz, dbias):
    for i in range(dy.shape[0]):
        _let_through(dy[i].reshape(-1), y[i].reshape(-1), relu, dz[i].reshape(-1))
        _sum_pixels(dz[i, : dy.shape[1]].reshape(-1), dbias)


@inner
def _let_through(gradient, activation, relu, result):
    """Set `result` to the gradient where ReLU let the value through, else to 0 (a gradient that is NaN stays)."""
    zero, one = gradient.dtype.type(0), gradient.dtype.type(1)
    if relu:
        for e in range(gradient.size):
            result[e] = gradient[e] * (one if activation[e] > zero else zero)
    else:
        copy_row(gradient, result)


@inner
def _unpool_2x2(dy, y, argmax, relu, dz, dbias):
    masked = np.empty(dy[0].size, dz.dtype)
    for i in range(dy.shape[0]):
        _let_through(dy[i].reshape(-1), y[i].reshape(-1), relu, masked)
        _sum_pixels(masked, dbias)
        where = argmax[i].reshape(-1)
        # One pixel of the windows at a time: for four outputs in one loop the compiler would not prove that they do not
        # overlap.
        for ky in range(2):
            for kx in range(2):
                index, target = where.dtype.type(2 * ky + kx), dz[2 * i + ky, kx:].reshape(-1)
                for j in range(dy.shape[1]):
                    _set_where(where, index, masked, j * dbias.size, target, 2 * j * dbias.size, dbias.size)


@inner
def _set_where(where, index, source, source_start, target, target_start, count):
    """Set `count` elements of target to those of source, or to 0 where the maximum lay at another index."""
    zero = source.dtype.type(0)
    s, t = np.uint64(source_start), np.uint64(target_start)  # unsigned: never negative, so the loop needs no check
    for f in range(count):
        e = np.uint64(f)
        target[t + e] = source[s + e] if where[s + e] == index else zero


@inner
def _unpool_any(dy, y, argmax, block, n, z_from, z_to, dz, dbias):
    masked = np.empty(dy[n, 0].size, dz.dtype)
    dz[: z_to - z_from].fill(0)
    # A row of z lies in the windows that begin at most pool_h − 1 rows above it.
    first = max(0, (z_from + block.pool_top - block.pool_h) // block.pool_stride_h + 1)
    last = min(block.y_height, (z_to - 1 + block.pool_top) // block.pool_stride_h + 1)
    for i in range(first, last):
        row = i * block.pool_stride_h - block.pool_top
        _let_through(dy[n, i].reshape(-1), y[n, i].reshape(-1), block.relu, masked)
        where = argmax[n, i].reshape(-1)
        for ky in range(max(0, z_from - row), min(block.pool_h, z_to - row)):
            target = dz[row + ky - z_from].reshape(-1)
            for kx in range(block.pool_w):
                index = where.dtype.type(ky * block.pool_w + kx)
                for j in range(block.y_width):
                    column = j * block.pool_stride_w - block.pool_left + kx
                    if 0 <= column < block.z_width:
                        start = j * block.filters
                        _add_where(where, index, masked, start, target, column * block.filters, block.filters)
    for i in range(z_to - z_from):
        _sum_pixels(dz[i, : block.z_width].reshape(-1), dbias)


@inner
def _add_where(where, index, source, source_start, target, target_start, count):
    """Add `count` elements of source to those of target, but for those whose maximum lay at another index."""
    zero = source.dtype.type(0)
    s, t = np.uint64(source_start), np.uint64(target_start)
    for f in range(count):
        e = np.uint64(f)
        target[t + e] += source[s + e] if where[s + e] == index else zero


@inner
def _sum_pixels(row, sums):
    """Add all pixels of a row, (columns·F,), up into `sums` (F,), which is float64.

    Four pixels at a time: float64 is rarely touched, so this takes no longer than float32 would.
    """
    size = sums.size
    fours = row.size // (4 * size) * (4 * size)
    for start in range(0, fours, 4 * size):
        a, b = row[start : start + size], row[start + size : start + 2 * size]
        c, d = row[start + 2 * size : start + 3 * size], row[start + 3 * size : start + 4 * size]
        for f in range(size):
            sums[f] += (a[f] + b[f]) + (c[f] + d[f])
    for start in range(fours, row.size, size):
        add_row(row[start : start + size], sums)
