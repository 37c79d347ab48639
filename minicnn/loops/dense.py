"""The dense layer, one multiplication at a time."""

from __future__ import annotations

import numpy as np


def dense(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """y[n, u] = Σ_d x[n, d] · weight[d, u] + bias[u]."""
    y = np.zeros((x.shape[0], weight.shape[1]))
    for n, u in np.ndindex(y.shape):
        y[n, u] = float(bias[u]) + sum(float(x[n, d]) * float(weight[d, u]) for d in range(x.shape[1]))
    return y


def dense_backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Every product of the forward pass hands its share of dy to both of its factors."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(weight.shape[1])
    for n, u in np.ndindex(dy.shape):
        gradient = float(dy[n, u])
        dbias[u] += gradient
        for d in range(x.shape[1]):
            dx[n, d] += gradient * float(weight[d, u])
            dweight[d, u] += gradient * float(x[n, d])
    return dx, dweight, dbias
