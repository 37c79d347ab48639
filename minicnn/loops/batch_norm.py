"""Batch normalisation, one number at a time; gradients by every pair of numbers.

A backward function here multiplies dy with the whole matrix of derivatives ∂y/∂x: no sum is taken out of another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def standardised(values: Iterable[Any], epsilon: float) -> tuple[list[float], float, float]:
    """Return values with mean 0 and variance 1, their mean, and their variance, divided by how many they are."""
    values = [float(v) for v in values]
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / math.sqrt(variance + epsilon) for v in values], mean, variance


def standardised_backward(dx_hat: Sequence[float], values: Iterable[Any], epsilon: float) -> list[float]:
    """∂x̂_j/∂x_i = ([i = j] − 1/M − x̂_i·x̂_j/M) / √(variance + ε)."""
    x_hat, _, variance = standardised(values, epsilon)
    count = len(x_hat)
    return [
        math.fsum(
            float(g) * ((i == j) - 1 / count - x_hat[i] * x_hat[j] / count) / math.sqrt(variance + epsilon)
            for j, g in enumerate(dx_hat)
        )
        for i in range(count)
    ]


def batch_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float) -> tuple[np.ndarray, ...]:
    """Standardise each channel over the batch."""
    y, mean, variance = np.zeros(x.shape), np.zeros(x.shape[3]), np.zeros(x.shape[3])
    for c in range(x.shape[3]):
        x_hat, mean[c], variance[c] = standardised(x[..., c].ravel(), epsilon)
        y[..., c] = np.reshape([float(weight[c]) * v + float(bias[c]) for v in x_hat], x.shape[:3])
    return y, mean, variance


def batch_norm_backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, epsilon: float) -> tuple[np.ndarray, ...]:
    """Return dx, dweight and dbias."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(x.shape[3]), np.zeros(x.shape[3])
    for c in range(x.shape[3]):
        gradient, values = [float(g) for g in dy[..., c].ravel()], x[..., c].ravel()
        x_hat, _, _ = standardised(values, epsilon)
        dweight[c] = math.fsum(g * v for g, v in zip(gradient, x_hat, strict=True))
        dbias[c] = math.fsum(gradient)
        dx_hat = [float(weight[c]) * g for g in gradient]
        dx[..., c] = np.reshape(standardised_backward(dx_hat, values, epsilon), x.shape[:3])
    return dx, dweight, dbias


def batch_norm_inference(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> np.ndarray:
    """Each number by itself, with given statistics."""
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        c = place[-1]
        deviation = math.sqrt(float(variance[c]) + epsilon)
        y[place] = (float(x[place]) - float(mean[c])) / deviation * float(weight[c]) + float(bias[c])
    return y


def batch_norm_inference_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, ...]:
    """Return dx, dweight and dbias."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(x.shape[3]), np.zeros(x.shape[3])
    for place in np.ndindex(x.shape):
        c = place[-1]
        gradient, deviation = float(dy[place]), math.sqrt(float(variance[c]) + epsilon)
        dx[place] = gradient * float(weight[c]) / deviation
        dweight[c] += gradient * (float(x[place]) - float(mean[c])) / deviation
        dbias[c] += gradient
    return dx, dweight, dbias
