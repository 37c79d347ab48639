"""Occlusion: what the network thinks of a picture when a part of it is covered."""

from __future__ import annotations

from math import ceil

import numpy as np

from minicnn import ops
from minicnn.backend import Array, array_module, to_numpy
from minicnn.errors import UsageError
from minicnn.layers import Sequential

AT_ONCE = 64  # pictures


def occlusion_map(
    net: Sequential, x: Array, label: int, size: int, stride: int, fill: float | np.ndarray | None = None
) -> np.ndarray:
    """Return the probability of a class with each part of a picture covered in turn.

    x: one picture (H, W, C) as the network reads it. label: the class. size: of the square that covers, pixels.
    stride: pixels from one place of the square to the next. fill: what the square is made of, a number or (C,); the
    picture's mean colour if left out. Returns (rows, columns), an entry for each place, the last ones flush with the
    picture's edge. Where it is low, the network looks. Source: Zeiler & Fergus 2014, "Visualizing and understanding
    convolutional networks", §4.2. Raises UsageError for a square that does not fit.
    """
    height, width, _ = x.shape
    if not 1 <= size <= min(height, width) or stride < 1:
        raise UsageError(f"a square of {size} pixels every {stride} does not fit a picture of {height}×{width}")
    rows, columns = places(height, size, stride), places(width, size, stride)
    color = x.mean(axis=(0, 1)) if fill is None else fill
    probabilities = []
    corners = [(top, left) for top in rows for left in columns]
    for first in range(0, len(corners), AT_ONCE):
        some = corners[first : first + AT_ONCE]
        covered = array_module(x).repeat(x[None], len(some), axis=0)
        for picture, (top, left) in zip(covered, some, strict=True):
            picture[top : top + size, left : left + size] = color
        probabilities.append(to_numpy(ops.softmax(net.forward(covered)))[:, label])
    return np.concatenate(probabilities).reshape(len(rows), len(columns))


def places(length: int, size: int, stride: int) -> list[int]:
    """Return where a window of `size` begins along `length`: every `stride`, and at last flush with the end."""
    count = ceil((length - size) / stride) + 1
    return [min(place * stride, length - size) for place in range(count)]


def covered_by_pixel(probabilities: np.ndarray, shape: tuple[int, int], size: int, stride: int) -> np.ndarray:
    """Return for each pixel the mean of the probabilities while it was covered, (H, W) from (rows, columns)."""
    height, width = shape
    sums, counts = np.zeros(shape), np.zeros(shape)
    for row, top in enumerate(places(height, size, stride)):
        for column, left in enumerate(places(width, size, stride)):
            sums[top : top + size, left : left + size] += probabilities[row, column]
            counts[top : top + size, left : left + size] += 1
    return sums / counts
