"""Batch, layer and local response normalisation, one number at a time; gradients by every pair of numbers.

A backward function here multiplies dy with the whole matrix of derivatives ∂y/∂x: no sum is taken out of another.
"""

from __future__ import annotations

import math

import numpy as np


def standardised(values, epsilon):
    """Return values with mean 0 and variance 1, their mean, and their variance, divided by how many they are."""
    values = [float(v) for v in values]
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / math.sqrt(variance + epsilon) for v in values], mean, variance


def standardised_backward(dx_hat, values, epsilon):
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


def batch_norm(x, weight, bias, epsilon):
    """Standardise each channel over the batch."""
    y, mean, variance = np.zeros(x.shape), np.zeros(x.shape[3]), np.zeros(x.shape[3])
    for c in range(x.shape[3]):
        x_hat, mean[c], variance[c] = standardised(x[..., c].ravel(), epsilon)
        y[..., c] = np.reshape([float(weight[c]) * v + float(bias[c]) for v in x_hat], x.shape[:3])
    return y, mean, variance


def batch_norm_backward(dy, x, weight, epsilon):
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


def batch_norm_inference(x, weight, bias, mean, variance, epsilon):
    """Each number by itself, with given statistics."""
    y = np.zeros(x.shape)
    for *place, c in np.ndindex(x.shape):
        deviation = math.sqrt(float(variance[c]) + epsilon)
        y[(*place, c)] = (float(x[(*place, c)]) - float(mean[c])) / deviation * float(weight[c]) + float(bias[c])
    return y


def batch_norm_inference_backward(dy, x, weight, mean, variance, epsilon):
    """Return dx, dweight and dbias."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(x.shape[3]), np.zeros(x.shape[3])
    for *place, c in np.ndindex(x.shape):
        gradient, deviation = float(dy[(*place, c)]), math.sqrt(float(variance[c]) + epsilon)
        dx[(*place, c)] = gradient * float(weight[c]) / deviation
        dweight[c] += gradient * (float(x[(*place, c)]) - float(mean[c])) / deviation
        dbias[c] += gradient
    return dx, dweight, dbias


def norm_block(x, weight, bias, epsilon, residual, relu):
    """Batch normalisation, then the residual if there is one, then ReLU if asked for."""
    y, mean, variance = batch_norm(x, weight, bias, epsilon)
    for place in np.ndindex(y.shape):
        if residual is not None:
            y[place] += float(residual[place])
        if relu and y[place] < 0:
            y[place] = 0
    return y, mean, variance


def norm_block_backward(dy, x, y, weight, epsilon, relu):
    """Return dx, dweight, dbias and dresidual."""
    dz = np.zeros(dy.shape)
    for place in np.ndindex(dz.shape):
        dz[place] = float(dy[place]) if not relu or y[place] > 0 else 0
    return *batch_norm_backward(dz, x, weight, epsilon), dz


def layer_norm(x, weight, bias, epsilon):
    """Standardise each row of channels."""
    y, mean, variance = np.zeros(x.shape), np.zeros(x.shape[:-1]), np.zeros(x.shape[:-1])
    for place in np.ndindex(mean.shape):
        x_hat, mean[place], variance[place] = standardised(x[place], epsilon)
        y[place] = [v * float(w) + float(b) for v, w, b in zip(x_hat, weight, bias, strict=True)]
    return y, mean, variance


def layer_norm_backward(dy, x, weight, epsilon):
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


def _energy(row, c, size, alpha, k):
    first = c - size // 2
    inside = [float(row[j]) for j in range(first, first + size) if 0 <= j < len(row)]
    return k + alpha / size * sum(v * v for v in inside)


def local_response_norm(x, size, alpha, beta, k):
    """y[c] = x[c] / (k + α/size · Σ_window x²)^β."""
    y = np.zeros(x.shape)
    for *place, c in np.ndindex(x.shape):
        y[(*place, c)] = float(x[(*place, c)]) / _energy(x[tuple(place)], c, size, alpha, k) ** beta
    return y


def local_response_norm_backward(dy, x, size, alpha, beta, k):
    """∂y_j/∂x_i = [i = j]/s_j^β − β·x_j/s_j^(β+1) · 2·α/size·x_i where i lies in the window of j."""
    dx = np.zeros(x.shape)
    for *place, j in np.ndindex(x.shape):
        row, gradient = x[tuple(place)], float(dy[(*place, j)])
        s = _energy(row, j, size, alpha, k)
        dx[(*place, j)] += gradient / s**beta
        for i in range(j - size // 2, j - size // 2 + size):
            if 0 <= i < len(row):
                through_s = 2 * alpha / size * float(row[i])
                dx[(*place, i)] -= gradient * beta * float(row[j]) / s ** (beta + 1) * through_s
    return dx
