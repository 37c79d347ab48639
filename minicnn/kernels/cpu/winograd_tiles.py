"""Winograd's transforms of one 6×6 tile: F(4×4, 3×3) and F(2×2, 5×5), and their transposes for the gradients.

A tile of 6×6 inputs d and a filter g (3×3 or 5×5) give 4×4 or 2×2 outputs with 36 multiplications, not 144 or 100:

    y = Aᵀ·[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]·A

which is Toom-Cook multiplication: both factors are evaluated at six points, multiplied there, and interpolated. With
the points 0, ±q, ±p, ∞, where p = √2 and q = 1/√2:

         ⎡1   0  −5/2  0    1  0⎤         ⎡ 1      0      0     …⎤          ⎡1  1   1   1   1  0⎤
         ⎢0  −p   −2   q    1  0⎥         ⎢−2/3  −2q/3  −2q²/3  …⎥     Aᵀ = ⎢0  q  −q   p  −p  0⎥
    Bᵀ = ⎢0   p   −2  −q    1  0⎥     G = ⎢−2/3   2q/3  −2q²/3  …⎥          ⎢0  q²  q²  p²  p² 0⎥
         ⎢0  −q  −1/2  p    1  0⎥         ⎢ 1/6   p/6    p²/6   …⎥          ⎣0  q³ −q³  p³ −p³ 1⎦
         ⎢0   q  −1/2 −p    1  0⎥         ⎢ 1/6  −p/6    p²/6   …⎥
         ⎣0   1    0 −5/2   0  1⎦         ⎣ 0      0     …      1⎦

G has as many columns as the filter, Aᵀ as many rows as the tile has outputs; in the last of them stands the 1 of ∞. The
usual points 0, ±1, ±2, ∞ lose three to four times as much accuracy: these keep float32 within about 2e-6 of the largest
value.

A tile in the transformed domain is 36 numbers a channel, each in a plane of its own, so that each plane is a matrix
(tiles, channels) for BLAS. PLANE, the distance from one plane to the next, is a constant: only then can the compiler
see that the 36 stores never overlap, and work on 16 channels at once.

Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", §4. Why the points decide the accuracy:
Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks".
"""

from __future__ import annotations

import functools

import numpy as np

from minicnn.kernels.cpu.compiling import arithmetic

TILE = 6
POINTS = TILE * TILE
PLANE = 32768 + 16  # elements; not a power of two, lest all planes compete for the same cache sets

P, Q = float(np.sqrt(2)), float(np.sqrt(0.5))
_p, _q = np.float32(P), np.float32(Q)
_half, _2, _5_2, _2p, _q_2 = np.float32(0.5), np.float32(2), np.float32(2.5), np.float32(2 * P), np.float32(Q / 2)


@functools.cache
def filter_matrix(kernel: int) -> np.ndarray:
    """Return G (6, kernel) in float32."""
    powers = np.arange(kernel)
    scaled_points = ((Q, -2 / 3), (-Q, -2 / 3), (P, 1 / 6), (-P, 1 / 6))
    rows = [scale * np.power(point, powers) for point, scale in scaled_points]
    return np.array([powers == 0, *rows, powers == kernel - 1], np.float32)


@arithmetic
def _interpolate(x0, x1, x2, x3, x4, x5):
    """Bᵀ·x."""
    even_q, odd_q = x4 - _2 * x2, _q * x3 - _p * x1
    even_p, odd_p = x4 - _half * x2, _p * x3 - _q * x1
    return (
        x0 - _5_2 * x2 + x4, even_q + odd_q, even_q - odd_q, even_p + odd_p, even_p - odd_p, x1 - _5_2 * x3 + x5
    )  # fmt: skip


@arithmetic
def _interpolate_transposed(v0, v1, v2, v3, v4, v5):
    """B·v."""
    sum_q, difference_q, sum_p, difference_p = v1 + v2, v1 - v2, v3 + v4, v3 - v4
    return (
        v0,
        v5 - _p * difference_q - _q * difference_p,
        -_5_2 * v0 - _2 * sum_q - _half * sum_p,
        _q * difference_q + _p * difference_p - _5_2 * v5,
        v0 + sum_q + sum_p,
        v5,
    )


@arithmetic
def _four_outputs(m0, m1, m2, m3, m4, m5):
    """Aᵀ·m for F(4, 3)."""
    sum_q, difference_q, sum_p, difference_p = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + sum_q + sum_p,
        _q * difference_q + _p * difference_p,
        _half * sum_q + _2 * sum_p,
        _q_2 * difference_q + _2p * difference_p + m5,
    )


@arithmetic
def _four_outputs_transposed(y0, y1, y2, y3):
    """A·y for F(4, 3)."""
    even_q, odd_q = y0 + _half * y2, _q * y1 + _q_2 * y3
    even_p, odd_p = y0 + _2 * y2, _p * y1 + _2p * y3
    return y0, even_q + odd_q, even_q - odd_q, even_p + odd_p, even_p - odd_p, y3


@arithmetic
def _two_outputs(m0, m1, m2, m3, m4, m5):
    """Aᵀ·m for F(2, 5)."""
    return m0 + (m1 + m2) + (m3 + m4), _q * (m1 - m2) + _p * (m3 - m4) + m5


@arithmetic
def _two_outputs_transposed(y0, y1):
    """A·y for F(2, 5)."""
    return y0, y0 + _q * y1, y0 - _q * y1, y0 + _p * y1, y0 - _p * y1, y1


@arithmetic
def _column(v, j, c):
    """Return column j of the tile whose planes begin at v, for channel c."""
    return (
        v[j * PLANE + c],
        v[(6 + j) * PLANE + c],
        v[(12 + j) * PLANE + c],
        v[(18 + j) * PLANE + c],
        v[(24 + j) * PLANE + c],
        v[(30 + j) * PLANE + c],
    )


@arithmetic
def _set_column(v, j, c, column):
    v[j * PLANE + c] = column[0]
    v[(6 + j) * PLANE + c] = column[1]
    v[(12 + j) * PLANE + c] = column[2]
    v[(18 + j) * PLANE + c] = column[3]
    v[(24 + j) * PLANE + c] = column[4]
    v[(30 + j) * PLANE + c] = column[5]


@arithmetic
def _set_row(v, i, c, row):
    v[6 * i * PLANE + c] = row[0]
    v[(6 * i + 1) * PLANE + c] = row[1]
    v[(6 * i + 2) * PLANE + c] = row[2]
    v[(6 * i + 3) * PLANE + c] = row[3]
    v[(6 * i + 4) * PLANE + c] = row[4]
    v[(6 * i + 5) * PLANE + c] = row[5]


@arithmetic
def transform_input(d, y, x, v):
    """V = Bᵀ·d·B for the tile at (y, x) of d (rows, columns, C); v begins with the tile's channels in plane 0."""
    for c in range(d.shape[2]):
        r0 = _interpolate(*_six(d, y, x, c))
        r1 = _interpolate(*_six(d, y + 1, x, c))
        r2 = _interpolate(*_six(d, y + 2, x, c))
        r3 = _interpolate(*_six(d, y + 3, x, c))
        r4 = _interpolate(*_six(d, y + 4, x, c))
        r5 = _interpolate(*_six(d, y + 5, x, c))
        _set_column(v, 0, c, _interpolate(r0[0], r1[0], r2[0], r3[0], r4[0], r5[0]))
        _set_column(v, 1, c, _interpolate(r0[1], r1[1], r2[1], r3[1], r4[1], r5[1]))
        _set_column(v, 2, c, _interpolate(r0[2], r1[2], r2[2], r3[2], r4[2], r5[2]))
        _set_column(v, 3, c, _interpolate(r0[3], r1[3], r2[3], r3[3], r4[3], r5[3]))
        _set_column(v, 4, c, _interpolate(r0[4], r1[4], r2[4], r3[4], r4[4], r5[4]))
        _set_column(v, 5, c, _interpolate(r0[5], r1[5], r2[5], r3[5], r4[5], r5[5]))


@arithmetic
def _six(d, y, x, c):
    return d[y, x, c], d[y, x + 1, c], d[y, x + 2, c], d[y, x + 3, c], d[y, x + 4, c], d[y, x + 5, c]


@arithmetic
def add_transposed_input(v, d, y, x):
    """Add B·V·Bᵀ to the tile at (y, x) of d: the transpose of `transform_input`. V is overwritten."""
    for c in range(d.shape[2]):
        r0 = _interpolate_transposed(*_column(v, 0, c))
        r1 = _interpolate_transposed(*_column(v, 1, c))
        r2 = _interpolate_transposed(*_column(v, 2, c))
        r3 = _interpolate_transposed(*_column(v, 3, c))
        r4 = _interpolate_transposed(*_column(v, 4, c))
        r5 = _interpolate_transposed(*_column(v, 5, c))
        _set_row(v, 0, c, _interpolate_transposed(r0[0], r1[0], r2[0], r3[0], r4[0], r5[0]))
        _set_row(v, 1, c, _interpolate_transposed(r0[1], r1[1], r2[1], r3[1], r4[1], r5[1]))
        _set_row(v, 2, c, _interpolate_transposed(r0[2], r1[2], r2[2], r3[2], r4[2], r5[2]))
        _set_row(v, 3, c, _interpolate_transposed(r0[3], r1[3], r2[3], r3[3], r4[3], r5[3]))
        _set_row(v, 4, c, _interpolate_transposed(r0[4], r1[4], r2[4], r3[4], r4[4], r5[4]))
        _set_row(v, 5, c, _interpolate_transposed(r0[5], r1[5], r2[5], r3[5], r4[5], r5[5]))
    for i in range(TILE):
        for j in range(TILE):
            pixel, gradient = d[y + i, x + j], v[(TILE * i + j) * PLANE :]
            for c in range(pixel.size):
                pixel[c] += gradient[c]


@arithmetic
def transform_output(m, outputs, z, y, x):
    """Set the tile at (y, x) of z (rows, columns, F) to Aᵀ·M·A, 4×4 or 2×2 outputs. M is overwritten."""
    if outputs == 4:
        for f in range(z.shape[2]):
            r0 = _four_outputs(*_column(m, 0, f))
            r1 = _four_outputs(*_column(m, 1, f))
            r2 = _four_outputs(*_column(m, 2, f))
            r3 = _four_outputs(*_column(m, 3, f))
            r4 = _four_outputs(*_column(m, 4, f))
            r5 = _four_outputs(*_column(m, 5, f))
            _set_four(m, 0, f, _four_outputs(r0[0], r1[0], r2[0], r3[0], r4[0], r5[0]))
            _set_four(m, 1, f, _four_outputs(r0[1], r1[1], r2[1], r3[1], r4[1], r5[1]))
            _set_four(m, 2, f, _four_outputs(r0[2], r1[2], r2[2], r3[2], r4[2], r5[2]))
            _set_four(m, 3, f, _four_outputs(r0[3], r1[3], r2[3], r3[3], r4[3], r5[3]))
    else:
        for f in range(z.shape[2]):
            r0 = _two_outputs(*_column(m, 0, f))
            r1 = _two_outputs(*_column(m, 1, f))
            r2 = _two_outputs(*_column(m, 2, f))
            r3 = _two_outputs(*_column(m, 3, f))
            r4 = _two_outputs(*_column(m, 4, f))
            r5 = _two_outputs(*_column(m, 5, f))
            m[f], m[PLANE + f] = _two_outputs(r0[0], r1[0], r2[0], r3[0], r4[0], r5[0])
            m[6 * PLANE + f], m[7 * PLANE + f] = _two_outputs(r0[1], r1[1], r2[1], r3[1], r4[1], r5[1])
    for i in range(outputs):
        for j in range(outputs):
            pixel, result = z[y + i, x + j], m[(TILE * i + j) * PLANE :]
            for f in range(pixel.size):
                pixel[f] = result[f]


@arithmetic
def _set_four(m, i, f, row):
    m[6 * i * PLANE + f] = row[0]
    m[(6 * i + 1) * PLANE + f] = row[1]
    m[(6 * i + 2) * PLANE + f] = row[2]
    m[(6 * i + 3) * PLANE + f] = row[3]


@arithmetic
def _four(d, y, x, c):
    return d[y, x, c], d[y, x + 1, c], d[y, x + 2, c], d[y, x + 3, c]


@arithmetic
def transform_gradient(dz, outputs, y, x, m):
    """dM = A·dz·Aᵀ for the tile at (y, x) of dz (rows, columns, F): the transpose of `transform_output`."""
    if outputs == 4:
        for f in range(dz.shape[2]):
            r0 = _four_outputs_transposed(*_four(dz, y, x, f))
            r1 = _four_outputs_transposed(*_four(dz, y + 1, x, f))
            r2 = _four_outputs_transposed(*_four(dz, y + 2, x, f))
            r3 = _four_outputs_transposed(*_four(dz, y + 3, x, f))
            _set_column(m, 0, f, _four_outputs_transposed(r0[0], r1[0], r2[0], r3[0]))
            _set_column(m, 1, f, _four_outputs_transposed(r0[1], r1[1], r2[1], r3[1]))
            _set_column(m, 2, f, _four_outputs_transposed(r0[2], r1[2], r2[2], r3[2]))
            _set_column(m, 3, f, _four_outputs_transposed(r0[3], r1[3], r2[3], r3[3]))
            _set_column(m, 4, f, _four_outputs_transposed(r0[4], r1[4], r2[4], r3[4]))
            _set_column(m, 5, f, _four_outputs_transposed(r0[5], r1[5], r2[5], r3[5]))
    else:
        for f in range(dz.shape[2]):
            r0 = _two_outputs_transposed(dz[y, x, f], dz[y, x + 1, f])
            r1 = _two_outputs_transposed(dz[y + 1, x, f], dz[y + 1, x + 1, f])
            _set_column(m, 0, f, _two_outputs_transposed(r0[0], r1[0]))
            _set_column(m, 1, f, _two_outputs_transposed(r0[1], r1[1]))
            _set_column(m, 2, f, _two_outputs_transposed(r0[2], r1[2]))
            _set_column(m, 3, f, _two_outputs_transposed(r0[3], r1[3]))
            _set_column(m, 4, f, _two_outputs_transposed(r0[4], r1[4]))
            _set_column(m, 5, f, _two_outputs_transposed(r0[5], r1[5]))
