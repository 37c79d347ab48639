"""Normalisation, one pixel at a time."""

from __future__ import annotations

import numpy as np


def normalize_pixels(images, mean, std):
    """y = (byte / 255 − mean of its channel) / deviation of its channel."""
    y = np.zeros(images.shape)
    for index in np.ndindex(images.shape):
        y[index] = (int(images[index]) / 255 - mean[index[-1]]) / std[index[-1]]
    return y
