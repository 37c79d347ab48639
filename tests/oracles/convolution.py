"""Convolution and its gradients, one multiplication at a time."""

from __future__ import annotations

import numpy as np

from tests.oracles.windows import pixel_of, window_places


def conv2d(x, weight, bias, stride=(1, 1), padding=((0, 0), (0, 0))):
    """y[n, i, j, f] = Σ x[n, i·SH + ky − top, j·SW + kx − left, c] · weight[ky, kx, c, f] + bias[f]."""
    images, height, width, channels = x.shape
    kh, kw, _, filters = weight.shape
    oh, ow = window_places((height, width), (kh, kw), stride, padding)
    y = np.zeros((images, oh, ow, filters))
    for n, i, j, f in np.ndindex(y.shape):
        total = float(bias[f])
        for ky, kx, c in np.ndindex(kh, kw, channels):
            row, column = pixel_of((i, j), (ky, kx), stride, padding)
            if 0 <= row < height and 0 <= column < width:
                total += float(x[n, row, column, c]) * float(weight[ky, kx, c, f])
        y[n, i, j, f] = total
    return y


def conv2d_backward(dy, x, weight, stride=(1, 1), padding=((0, 0), (0, 0))):
    """Every product of the forward pass hands its share of dy to both of its factors."""
    _, height, width, channels = x.shape
    kh, kw, _, filters = weight.shape
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(filters)
    for n, i, j, f in np.ndindex(dy.shape):
        gradient = float(dy[n, i, j, f])
        dbias[f] += gradient
        for ky, kx, c in np.ndindex(kh, kw, channels):
            row, column = pixel_of((i, j), (ky, kx), stride, padding)
            if 0 <= row < height and 0 <= column < width:
                dx[n, row, column, c] += gradient * float(weight[ky, kx, c, f])
                dweight[ky, kx, c, f] += gradient * float(x[n, row, column, c])
    return dx, dweight, dbias
