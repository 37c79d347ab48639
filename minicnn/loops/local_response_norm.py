"""Local response normalisation, one number at a time."""

from __future__ import annotations

import numpy as np


def _energy(row: np.ndarray, c: int, size: int, alpha: float, k: float) -> float:
    first = c - size // 2
    inside = [float(row[j]) for j in range(first, first + size) if 0 <= j < len(row)]
    return k + alpha / size * sum(v * v for v in inside)


def local_response_norm(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """y[c] = x[c] / (k + α/size · Σ_window x²)^β."""
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = float(x[place]) / _energy(x[place[:-1]], place[-1], size, alpha, k) ** beta
    return y


def local_response_norm_backward(
    dy: np.ndarray, x: np.ndarray, size: int, alpha: float, beta: float, k: float
) -> np.ndarray:
    """∂y_j/∂x_i = [i = j]/s_j^β − β·x_j/s_j^(β+1) · 2·α/size·x_i where i lies in the window of j."""
    dx = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        pixel, j = place[:-1], place[-1]
        row, gradient = x[pixel], float(dy[place])
        s = _energy(row, j, size, alpha, k)
        dx[place] += gradient / s**beta
        for i in range(j - size // 2, j - size // 2 + size):
            if 0 <= i < len(row):
                through_s = 2 * alpha / size * float(row[i])
                dx[pixel][i] -= gradient * beta * float(row[j]) / s ** (beta + 1) * through_s
    return dx
