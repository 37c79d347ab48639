"""Layer normalisation for NumPy arrays: one pass over memory each way, for a row of C numbers stays in the cache."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.compiling import reordering_entry
from minicnn.kernels.cpu.elementwise import threads_for
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import share, work_together


def layer_norm(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalise each pixel or vector over its channels: the twin of `minicnn.ops.layer_norm.layer_norm`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    y, mean, variance = empty(x.shape, x.dtype), empty(x.shape[:-1], x.dtype), empty(x.shape[:-1], x.dtype)
    arguments = (_rows(x), plain(weight), plain(bias), float(epsilon), _rows(y), mean.reshape(-1), variance.reshape(-1))
    work_together(_forward, threads_for(x.size), *arguments)
    return y, mean, variance


def layer_norm_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients at x, weight and bias: the twin of `minicnn.ops.layer_norm.layer_norm_backward`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    threads, dx = threads_for(x.size), empty(x.shape, x.dtype)
    sums = np.empty((threads, 2, weight.size))
    statistics = plain(mean).reshape(-1), plain(variance).reshape(-1), float(epsilon)
    work_together(_backward, threads, _rows(dy), _rows(x), plain(weight), *statistics, _rows(dx), sums)
    dweight, dbias = sums.sum(axis=0).astype(x.dtype)
    return dx, dweight, dbias


def _rows(array: np.ndarray) -> np.ndarray:
    """Return `array` (…, C) as a matrix of rows."""
    return plain(array).reshape(-1, array.shape[-1])


@reordering_entry
def _forward(thread, threads, x, weight, bias, epsilon, y, mean, variance):
    rows, channels = x.shape
    first, past = share(rows, thread, threads)
    for i in range(first, past):
        source, target = x[i], y[i]
        total = np.float64(0)
        for c in range(channels):
            total += source[c]
        centre = total / channels
        squares = np.float64(0)
        for c in range(channels):
            squares += (source[c] - centre) * (source[c] - centre)
        mean[i], variance[i] = centre, squares / channels
        scale = 1 / np.sqrt(squares / channels + epsilon)
        for c in range(channels):
            target[c] = (source[c] - centre) * scale * weight[c] + bias[c]


@reordering_entry
def _backward(thread, threads, dy, x, weight, mean, variance, epsilon, dx, sums):
    """Fill the thread's rows of dx, and sums[thread] (2, C) with their sums of dy·x̂ and of dy."""
    rows, channels = x.shape
    of_weight, of_bias, x_hat = np.zeros(channels), np.zeros(channels), np.empty(channels)
    first, past = share(rows, thread, threads)
    for i in range(first, past):
        gradient, source, target = dy[i], x[i], dx[i]
        rest = np.float64(0)  # what rounding took off the mean
        for c in range(channels):
            rest += source[c] - np.float64(mean[i])
        centre, scale = mean[i] + rest / channels, 1 / np.sqrt(variance[i] + epsilon)
        along_one = along_x = np.float64(0)
        for c in range(channels):
            x_hat[c] = (source[c] - centre) * scale
            along_one += gradient[c] * weight[c]
            along_x += gradient[c] * weight[c] * x_hat[c]
        along_one, along_x = along_one / channels, along_x / channels
        for c in range(channels):
            target[c] = (gradient[c] * weight[c] - along_one - x_hat[c] * along_x) * scale
        for c in range(channels):
            of_weight[c] += gradient[c] * x_hat[c]
            of_bias[c] += gradient[c]
    sums[thread, 0], sums[thread, 1] = of_weight, of_bias
