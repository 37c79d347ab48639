"""The activations and their slopes, with Python's own arithmetic, one number at a time.

A slope is taken from the input x, by the textbook derivative, where the operations take it from the output y.
"""

from __future__ import annotations

import math

import numpy as np


def each(function, *arrays):
    """Return function(a, b, …) for every element of the arrays."""
    result = np.zeros(arrays[0].shape)
    for index in np.ndindex(result.shape):
        result[index] = function(*(float(array[index]) for array in arrays))
    return result


def relu(x):
    """x where it is positive, else 0; NaN stays."""
    return each(lambda v: v if v > 0 or math.isnan(v) else 0.0, x)


def relu_backward(dy, x):
    """dy where x is positive."""
    return each(lambda gradient, v: gradient if v > 0 else 0.0, dy, x)


def _sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v > -700 else math.exp(v)  # e^700 is near the largest double


def sigmoid(x):
    """1 / (1 + e^−x)."""
    return each(_sigmoid, x)


def sigmoid_backward(dy, x):
    """dy · σ(x) · σ(−x), as 1 − σ(x) = σ(−x)."""
    return each(lambda gradient, v: gradient * _sigmoid(v) * _sigmoid(-v), dy, x)


def tanh(x):
    """tanh x."""
    return each(math.tanh, x)


def tanh_backward(dy, x):
    """dy / cosh² x."""
    return each(lambda gradient, v: gradient / math.cosh(v) ** 2 if abs(v) < 350 else 0.0, dy, x)
