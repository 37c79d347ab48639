"""The optimizers' steps, one weight at a time; each returns new arrays and changes none."""

from __future__ import annotations

import math

import numpy as np


def sgd_update(
    value: np.ndarray, grad: np.ndarray, velocity: np.ndarray | None, lr: float, momentum: float, nesterov: bool,
    weight_decay: float,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """Return (w, v) after a step of gradient descent with momentum; v is None without it."""
    new_value = np.zeros(value.shape)
    new_velocity = None if velocity is None else np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        step = float(grad[index]) + weight_decay * float(value[index])
        if velocity is not None and new_velocity is not None:
            running = momentum * float(velocity[index]) + step
            new_velocity[index] = running
            step = step + momentum * running if nesterov else running
        new_value[index] = float(value[index]) - lr * step
    return new_value, new_velocity


def adam_update(
    value: np.ndarray, grad: np.ndarray, mean: np.ndarray, square: np.ndarray, mean_share: float, square_share: float,
    lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """Return (w, m, s) after a step of Adam; the shares are 1 − β₁ᵗ and 1 − β₂ᵗ."""
    new_value, new_mean, new_square = np.zeros(value.shape), np.zeros(value.shape), np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        gradient = float(grad[index]) + weight_decay * float(value[index])
        m = beta1 * float(mean[index]) + (1 - beta1) * gradient
        s = beta2 * float(square[index]) + (1 - beta2) * gradient**2
        m_hat, s_hat = m / mean_share, s / square_share
        new_value[index] = float(value[index]) - lr * m_hat / (math.sqrt(s_hat) + epsilon)
        new_mean[index], new_square[index] = m, s
    return new_value, new_mean, new_square


def average_update(average: np.ndarray, value: np.ndarray, share: float) -> tuple[np.ndarray]:
    """Return (a,) with each number moved towards the value."""
    new_average = np.zeros(average.shape)
    for index in np.ndindex(average.shape):
        new_average[index] = (1 - share) * float(average[index]) + share * float(value[index])
    return (new_average,)
