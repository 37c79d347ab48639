"""Layer normalisation, one number at a time; gradients by every pair of numbers, as in `batch_norm`."""

from __future__ import annotations

import numpy as np

from minicnn.loops.batch_norm import standardised, standardised_backward


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float) -> tuple[np.ndarray, ...]:
    """Standardise each row of channels."""
    y, mean, variance = np.zeros(x.shape), np.zeros(x.shape[:-1]), np.zeros(x.shape[:-1])
    for place in np.ndindex(mean.shape):
        x_hat, mean[place], variance[place] = standardised(x[place], epsilon)
        y[place] = [v * float(w) + float(b) for v, w, b in zip(x_hat, weight, bias, strict=True)]
    return y, mean, variance


def layer_norm_backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, epsilon: float) -> tuple[np.ndarray, ...]:
    """Return dx, dweight and dbias."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for place in np.ndindex(x.shape[:-1]):
        x_hat, _, _ = standardised(x[place], epsilon)
        dx_hat = [float(g) * float(w) for g, w in zip(dy[place], weight, strict=True)]
        dx[place] = standardised_backward(dx_hat, x[place], epsilon)
        for c, gradient in enumerate(dy[place]):
            dweight[c] += float(gradient) * x_hat[c]
            dbias[c] += float(gradient)
    return dx, dweight, dbias
