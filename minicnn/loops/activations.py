"""Every activation in Python's own arithmetic, one number at a time.

A slope is taken from the input x, by the textbook derivative, also where the operation takes it from the output y.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0)."""
    return _each(lambda v: v if v > 0 or math.isnan(v) else 0.0, x)


def relu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy · 1 where x > 0, else dy · 0."""
    return dy * _each(lambda v: 1.0 if v > 0 else 0.0, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """y = 1 / (1 + e⁻ˣ)."""
    return _each(_sigmoid, x)


def sigmoid_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy · σ(x) · σ(−x), which is 1 − σ(x)."""
    return dy * _each(lambda v: _sigmoid(v) * _sigmoid(-v), x)


def tanh(x: np.ndarray) -> np.ndarray:
    """y = tanh(x)."""
    return _each(math.tanh, x)


def tanh_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy / cosh²(x)."""
    return dy * _each(lambda v: 1 / math.cosh(v) ** 2 if abs(v) < 350 else 0.0, x)


def relu6(x: np.ndarray) -> np.ndarray:
    """y = min(max(x, 0), 6)."""
    return _each(lambda v: v if math.isnan(v) else min(max(v, 0.0), 6.0), x)


def relu6_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy · 1 where 0 < x < 6, else dy · 0."""
    return dy * _each(lambda v: 1.0 if 0 < v < 6 else 0.0, x)


def leaky_relu(x: np.ndarray, slope: float) -> np.ndarray:
    """y = x where x > 0, else slope · x."""
    return _each(lambda v: v if v > 0 else slope * v, x)


def leaky_relu_backward(dy: np.ndarray, x: np.ndarray, slope: float) -> np.ndarray:
    """dx = dy · 1 where x > 0, else dy · slope."""
    return dy * _each(lambda v: 1.0 if v > 0 else slope, x)


def silu(x: np.ndarray) -> np.ndarray:
    """y = x · σ(x)."""
    return _each(lambda v: v * _sigmoid(v) if v > -math.inf else 0.0, x)


def silu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy · σ(x) · (1 + x · σ(−x))."""
    return dy * _each(lambda v: _sigmoid(v) * (1 + v * _sigmoid(-v)), x)


def gelu(x: np.ndarray) -> np.ndarray:
    """y = x · Φ(x)."""
    return _each(lambda v: v * _normal_distribution(v) if v > -math.inf else 0.0, x)


def gelu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy · (Φ(x) + x · φ(x))."""
    return dy * _each(lambda v: _normal_distribution(v) + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi), x)


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v > -700 else math.exp(v)  # e^700 is near the largest double


def _normal_distribution(v: float) -> float:
    return math.erfc(-v / math.sqrt(2)) / 2


def _each(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        result[index] = function(float(x[index]))
    return result
