"""Softmax and cross-entropy for NumPy arrays, a row at a time. Shapes as in `minicnn.ops.softmax`."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from minicnn.kernels.cpu.elementwise import takes
from minicnn.kernels.cpu.memory import empty
from minicnn.ops.softmax import require_labels


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn each row of logits into probabilities: the twin of `minicnn.ops.softmax.softmax`."""
    if not takes(logits):
        return NotImplemented
    probabilities = empty(logits.shape, logits.dtype)
    _softmax(np.ascontiguousarray(logits), probabilities, np.empty((2, logits.shape[0]), logits.dtype))
    return probabilities


def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, label_smoothing: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Compare predicted with true classes: the twin of `minicnn.ops.softmax.softmax_cross_entropy`."""
    n, k = logits.shape
    require_labels(labels, n, k)
    if not takes(logits):
        return NotImplemented
    logits, labels = np.ascontiguousarray(logits), labels.astype(np.int64)
    probabilities = empty(logits.shape, logits.dtype)
    statistics = np.empty((2, n), logits.dtype)
    _softmax(logits, probabilities, statistics)
    maximum, log_sum = statistics
    log_of_label = logits[np.arange(n), labels] - maximum - log_sum
    mean_log = logits.mean(axis=1) - maximum - log_sum if label_smoothing else 0 * log_of_label
    return -((1 - label_smoothing) * log_of_label + label_smoothing * mean_log).mean(), probabilities


def softmax_cross_entropy_backward(
    probabilities: np.ndarray, labels: np.ndarray, label_smoothing: float = 0.0
) -> np.ndarray:
    """Return (p − q) / N: the twin of `minicnn.ops.softmax.softmax_cross_entropy_backward`."""
    n, k = probabilities.shape
    require_labels(labels, n, k)
    if not takes(probabilities):
        return NotImplemented
    dlogits = empty(probabilities.shape, probabilities.dtype)
    np.subtract(probabilities, label_smoothing / k, out=dlogits)
    dlogits[np.arange(n), labels] -= 1 - label_smoothing
    dlogits *= 1 / n
    return dlogits


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _softmax(logits, probabilities, statistics):
    # statistics: for each row its maximum and log Σ e^(z − maximum), from which the loss is made.
    for n in prange(logits.shape[0]):
        z, p = logits[n], probabilities[n]
        maximum = z[0]
        for k in range(z.size):
            maximum = z[k] if z[k] > maximum else maximum  # a NaN is met again in the sum
        total = z.dtype.type(0)
        for k in range(z.size):
            p[k] = np.exp(z[k] - maximum)
            total += p[k]
        for k in range(z.size):
            p[k] /= total
        statistics[0, n], statistics[1, n] = maximum, np.log(total)
