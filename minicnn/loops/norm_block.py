"""Batch normalisation [+ residual] [+ ReLU], one number at a time."""

from __future__ import annotations

import numpy as np

from minicnn.loops.batch_norm import batch_norm, batch_norm_backward


def norm_block(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float, residual: np.ndarray | None, relu: bool
) -> tuple[np.ndarray, ...]:
    """Batch normalisation, then the residual if there is one, then ReLU if asked for."""
    y, mean, variance = batch_norm(x, weight, bias, epsilon)
    for place in np.ndindex(y.shape):
        if residual is not None:
            y[place] += float(residual[place])
        if relu and y[place] < 0:
            y[place] = 0
    return y, mean, variance


def norm_block_backward(
    dy: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray, epsilon: float, relu: bool
) -> tuple[np.ndarray, ...]:
    """Return dx, dweight, dbias and dresidual."""
    dz = np.zeros(dy.shape)
    for place in np.ndindex(dz.shape):
        dz[place] = float(dy[place]) if not relu or y[place] > 0 else 0
    return *batch_norm_backward(dz, x, weight, epsilon), dz
