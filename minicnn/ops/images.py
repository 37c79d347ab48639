"""From the pixels of a file (bytes, 0 … 255) to what a network reads (floats around 0 or in 0 … 1)."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated


@accelerated
def normalize_pixels(images: Array, mean: tuple[float, ...], std: tuple[float, ...], dtype: str = "float32") -> Array:
    """Scale bytes to 0–1, then take off the mean and divide by the deviation, a channel at a time.

        y[n, h, w, c] = (images[n, h, w, c] / 255 − mean[c]) / std[c]

    images: (N, H, W, C) uint8. mean, std: C numbers on the 0–1 scale (mean 0 and std 1 leave 0–1). dtype: of the
    result. Returns y (N, H, W, C). Source: document 004 §5.2.2, corrected: scaling to 0–1 is ToTensor's work,
    Normalize takes off the mean and divides by the deviation.
    """
    xp = array_module(images)
    mean_row, std_row = xp.asarray(mean, dtype=dtype), xp.asarray(std, dtype=dtype)
    return (images.astype(dtype) / 255 - mean_row) / std_row
