"""The optimizers' steps, one weight at a time; each returns new arrays and changes none."""

from __future__ import annotations

import math

import numpy as np


def sgd_update(value, grad, velocity, lr, momentum, nesterov, weight_decay):
    """Return (w, v) after a step of gradient descent with momentum; v is None without it."""
    new_value = np.zeros(value.shape)
    new_velocity = None if velocity is None else np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        step = float(grad[index]) + weight_decay * float(value[index])
        if velocity is not None:
            running = momentum * float(velocity[index]) + step
            new_velocity[index] = running
            step = step + momentum * running if nesterov else running
        new_value[index] = float(value[index]) - lr * step
    return new_value, new_velocity


def adam_update(value, grad, mean, square, mean_share, square_share, lr, beta1, beta2, epsilon, weight_decay):
    """Return (w, m, s) after a step of Adam; the shares are 1 − β₁ᵗ and 1 − β₂ᵗ."""
    results = np.zeros((3, *value.shape))
    for index in np.ndindex(value.shape):
        gradient = float(grad[index]) + weight_decay * float(value[index])
        m = beta1 * float(mean[index]) + (1 - beta1) * gradient
        s = beta2 * float(square[index]) + (1 - beta2) * gradient**2
        m_hat, s_hat = m / mean_share, s / square_share
        w = float(value[index]) - lr * m_hat / (math.sqrt(s_hat) + epsilon)
        results[(slice(None), *index)] = w, m, s
    return tuple(results)
