"""Local response normalisation for NumPy arrays: one pass over memory each way, a pixel's channels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.compiling import contracting_entry, inner
from minicnn.kernels.cpu.elementwise import threads_for
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together


def local_response_norm(
    x: np.ndarray, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> np.ndarray:
    """Divide by the neighbours' energy: the twin of `minicnn.ops.local_response_norm.local_response_norm`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    y = empty(x.shape, x.dtype)
    work_together(_forward, threads_for(x.size), _pixels(x), *_settings(x.dtype, size, alpha, beta, k), _pixels(y))
    return y


def local_response_norm_backward(
    dy: np.ndarray, x: np.ndarray, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> np.ndarray:
    """Return the gradient at x: the twin of `minicnn.ops.local_response_norm.local_response_norm_backward`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    dx, settings = empty(x.shape, x.dtype), _settings(x.dtype, size, alpha, beta, k)
    work_together(_backward, threads_for(x.size), _pixels(dy), _pixels(x), *settings, _pixels(dx))
    return dx


def _pixels(array: np.ndarray) -> np.ndarray:
    """Return `array` (N, H, W, C) as a matrix, a row a pixel."""
    return plain(array).reshape(-1, array.shape[3])


def _settings(dtype: np.dtype, size: int, alpha: float, beta: float, k: float) -> tuple[Any, ...]:
    """Return size, α/size, β and k as compiled code expects them."""
    return int(size), dtype.type(alpha / size), dtype.type(beta), dtype.type(k)


@contracting_entry
def _forward(thread, threads, x, size, alpha, beta, k, y):
    pixels, channels = x.shape
    padded, s, power = _scratch(channels, size, x.dtype)
    first, past = share(pixels, thread, threads)
    for i in range(first, past):
        source, target = x[i], y[i]
        _energy(source, size, alpha, k, padded, s)
        _negative_power(s, beta, power)
        for c in range(channels):
            target[c] = source[c] * power[c]


@contracting_entry
def _backward(thread, threads, dy, x, size, alpha, beta, k, dx):
    pixels, channels = x.shape
    padded, s, power = _scratch(channels, size, x.dtype)
    # The windows that a channel lies in begin as far before it as its own window ends behind it.
    through_s, behind = np.zeros_like(padded), size // 2
    before = size - 1 - behind
    two_alpha_beta = alpha * beta + alpha * beta
    first, past = share(pixels, thread, threads)
    for i in range(first, past):
        gradient, source, target = dy[i], x[i], dx[i]
        _energy(source, size, alpha, k, padded, s)
        _negative_power(s, beta, power)
        inside = through_s[before:]
        for c in range(channels):
            inside[c] = gradient[c] * source[c] * power[c] / s[c]
        _sum_windows(through_s, size, s)
        for c in range(channels):
            target[c] = gradient[c] * power[c] - two_alpha_beta * source[c] * s[c]


@inner
def _scratch(channels, size, dtype):
    """Return a row of channels with room around it for windows, filled with zeros, and two rows without."""
    return np.zeros(channels + size - 1, dtype), np.empty(channels, dtype), np.empty(channels, dtype)


@inner
def _energy(pixel, size, alpha, k, padded, s):
    """Fill s (C,) with k + alpha·(the sum of squares over each channel's window)."""
    inside = padded[size // 2 :]
    for c in range(pixel.size):
        inside[c] = pixel[c] * pixel[c]
    _sum_windows(padded, size, s)
    for c in range(pixel.size):
        s[c] = k + alpha * s[c]


@inner
def _sum_windows(padded, size, sums):
    """Fill sums (C,) with the sum of the `size` numbers of `padded` that begin at each place."""
    for c in range(sums.size):
        sums[c] = padded[c]
    for offset in range(1, size):
        shifted = padded[offset:]
        for c in range(sums.size):
            sums[c] += shifted[c]


@inner
def _negative_power(s, beta, power):
    """Fill `power` with s to the power of −beta."""
    if beta == 0.75:  # the usual one: roots are vector instructions, other powers a call for each number
        one = s.dtype.type(1)
        for c in range(s.size):
            root = np.sqrt(s[c])
            power[c] = one / (root * np.sqrt(root))
    else:
        for c in range(s.size):
            power[c] = s[c] ** -beta
