"""Cutting and normalisation, one pixel at a time."""

from __future__ import annotations

import numpy as np

from minicnn.loops.windows import Pair


def crop_and_flip(images: np.ndarray, windows: np.ndarray, size: Pair) -> np.ndarray:
    """Walk over the window's pixels in the picture and put each in its place, counted from the right if mirrored."""
    n, h, w, c = images.shape
    y = np.zeros((n, *size, c), images.dtype)
    for picture, (top, left, mirrored) in enumerate(windows.tolist()):
        for i, row in enumerate(range(top, top + size[0])):
            for j, column in enumerate(range(left, left + size[1])):
                if row in range(h) and column in range(w):
                    y[picture, i, size[1] - 1 - j if mirrored else j] = images[picture, row, column]
    return y


def normalize_pixels(images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """y = (byte / 255 − mean of its channel) / deviation of its channel."""
    y = np.zeros(images.shape)
    for index in np.ndindex(images.shape):
        y[index] = (int(images[index]) / 255 - mean[index[-1]]) / std[index[-1]]
    return y
