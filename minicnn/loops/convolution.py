"""Convolution and its gradients, one multiplication at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minicnn.loops.windows import Pads, Pair, pixel_of, window_places

NONE = ((0, 0), (0, 0))


def conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Pair = (1, 1), padding: Pads = NONE,
    groups: int = 1, dilation: Pair = (1, 1),
) -> np.ndarray:  # fmt: skip
    """y[n, i, j, f] = Σ x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, g + c] · weight[ky, kx, c, f] + bias[f].

    g is the first channel of the group that f belongs to.
    """
    images, height, width, _ = x.shape
    kh, kw, _, filters = weight.shape
    oh, ow = window_places((height, width), (kh, kw), stride, padding, dilation)
    y = np.zeros((images, oh, ow, filters))
    for n, i, j, f in np.ndindex(y.shape):
        total = 0.0 if bias is None else float(bias[f])
        for (ky, kx, c), row, column, channel in terms(x, weight, (i, j), f, stride, padding, groups, dilation):
            total += float(x[n, row, column, channel]) * float(weight[ky, kx, c, f])
        y[n, i, j, f] = total
    return y


def conv2d_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair = (1, 1), padding: Pads = NONE, groups: int = 1,
    dilation: Pair = (1, 1),
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """Every product of the forward pass hands its share of dy to both of its factors."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(weight.shape[3])
    for n, i, j, f in np.ndindex(dy.shape):
        gradient = float(dy[n, i, j, f])
        dbias[f] += gradient
        for (ky, kx, c), row, column, channel in terms(x, weight, (i, j), f, stride, padding, groups, dilation):
            dx[n, row, column, channel] += gradient * float(weight[ky, kx, c, f])
            dweight[ky, kx, c, f] += gradient * float(x[n, row, column, channel])
    return dx, dweight, dbias


def terms(
    x: np.ndarray, weight: np.ndarray, place: Pair, f: int, stride: Pair, padding: Pads, groups: int, dilation: Pair
) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
    """Yield the products that output `place` of filter f is the sum of: ((ky, kx, c) of the weight, pixel, channel)."""
    _, height, width, _ = x.shape
    kh, kw, channels, filters = weight.shape
    first_channel = f // (filters // groups) * channels
    for ky, kx, c in np.ndindex(kh, kw, channels):
        row, column = pixel_of(place, (ky, kx), stride, padding, dilation)
        if 0 <= row < height and 0 <= column < width:
            yield (ky, kx, c), row, column, first_channel + c
