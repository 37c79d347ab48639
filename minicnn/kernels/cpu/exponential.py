"""The exponential, and the normal distribution, such that loops over them become vector instructions.

Numba calls the C library for each number by itself, which takes ten times as long.

    eᵗ = 2ⁿ · eʳ        n = the whole number next to t/ln 2, r = t − n·ln 2, so that |r| ≤ ½·ln 2

2ⁿ is written straight into a float's exponent; eʳ is its Taylor series 1 + r + r²/2! + …, up to r⁷/7! in float32 and
r¹³/13! in float64, where the next term is below the last bit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from minicnn.kernels.cpu.compiling import arithmetic, arithmetic_by_dtype

# Adding 1.5 · 2^(mantissa bits) to a number rounds it to a whole one, which then stands in the sum's lowest bits.
_ROUND_32, _ROUND_64 = np.float32(1.5 * 2**23), np.float64(1.5 * 2**52)
_PER_LN2_32, _PER_LN2_64 = np.float32(1 / math.log(2)), np.float64(1 / math.log(2))
# ln 2 in two parts, the first with so few bits that n times it is exact (Cody & Waite 1980, chapter 6).
_LN2_32 = np.float32(0.693359375), np.float32(math.log(2) - 0.693359375)
_LN2_64 = np.float64(6.93147180369123816490e-01), np.float64(1.90821492927058770002e-10)
_ONE_32, _ONE_64 = np.int32(127 << 23), np.int64(1023 << 52)  # the bits of 1.0
_LOWEST_32, _LOWEST_64 = np.float32(-87.3), np.float64(-708.3)  # below, the result is no normal number any more
_TAYLOR_32 = tuple(np.float32(1 / math.factorial(k)) for k in range(7, -1, -1))
_TAYLOR_64 = tuple(np.float64(1 / math.factorial(k)) for k in range(13, -1, -1))
# The tail of the normal distribution, Abramowitz & Stegun 1964, 26.2.17, right to 7.5e-8 for all x ≥ 0.
_TAIL_STEP = np.float32(0.2316419)
_TAIL_32 = tuple(map(np.float32, (1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.319381530)))


def exponential(t):
    """Return eᵗ for t ≤ 0, float32 or float64, to about 1 in 10⁷ or 10¹⁵; 0 where that is no normal number."""
    return np.exp(t)


@arithmetic_by_dtype(exponential)
def _exponential(t):
    return _exponential_32 if t == types.float32 else _exponential_64


def _exponential_32(t):
    shifted = np.float32(t * _PER_LN2_32 + _ROUND_32)
    n = shifted - _ROUND_32
    r = (t - n * _LN2_32[0]) - n * _LN2_32[1]
    power = _TAYLOR_32[0]
    for coefficient in _TAYLOR_32[1:]:
        power = power * r + coefficient
    two_to_n = np.int32((np.float32(shifted).view(np.int32) << np.int32(23)) + _ONE_32).view(np.float32)
    return np.float32(0) if t < _LOWEST_32 else power * two_to_n


def _exponential_64(t):
    shifted = t * _PER_LN2_64 + _ROUND_64
    n = shifted - _ROUND_64
    r = (t - n * _LN2_64[0]) - n * _LN2_64[1]
    power = _TAYLOR_64[0]
    for coefficient in _TAYLOR_64[1:]:
        power = power * r + coefficient
    two_to_n = np.int64((np.float64(shifted).view(np.int64) << np.int64(52)) + _ONE_64).view(np.float64)
    return np.float64(0) if t < _LOWEST_64 else power * two_to_n


@arithmetic
def normal_density(x):
    """Return φ(x) = e^(−x²/2) / √(2π), in the dtype of x."""
    one = type(x)(1)
    return exponential(-x * x / (one + one)) * type(x)(1 / math.sqrt(2 * math.pi))


def normal_tail(x):
    """Return 1 − Φ(x) for x ≥ 0, the share of the normal distribution beyond x, within 3e-7 in float32."""
    return math.erfc(x / math.sqrt(2)) / 2


@arithmetic_by_dtype(normal_tail)
def _normal_tail(x):
    return _normal_tail_32 if x == types.float32 else normal_tail


def _normal_tail_32(x):
    t = np.float32(1) / (np.float32(1) + _TAIL_STEP * x)
    polynomial = _TAIL_32[0]
    for coefficient in _TAIL_32[1:]:
        polynomial = polynomial * t + coefficient
    return polynomial * t * normal_density(x)
