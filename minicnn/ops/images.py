"""From the pixels of a file (bytes, 0 … 255) to what a network reads (floats around 0 or in 0 … 1).

Shapes: images (N, H, W, C) uint8.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.ops.windows import Pair, require_shape


def _check_crop_and_flip(images: Array, windows: Array, size: Pair) -> None:
    fits = images.ndim == 4 and windows.shape == (images.shape[0], 3)
    require_shape(fits, "crop_and_flip", images=images.shape, windows=windows.shape)


def _check_normalize_pixels(
    images: Array, mean: tuple[float, ...], std: tuple[float, ...], dtype: str = "float32"
) -> None:
    fits = images.ndim == 4 and images.shape[3] == len(mean) == len(std)
    require_shape(fits, "normalize_pixels", images=images.shape, mean=(len(mean),), std=(len(std),))


@accelerated(_check_crop_and_flip)
def crop_and_flip(images: Array, windows: Array, size: Pair) -> Array:
    """Cut a window out of each picture, black beyond the picture's edges, and mirror it left and right where asked.

        y[n, i, j, c] = images[n, top_n + i, left_n + j', c]        j' = j, or width − 1 − j where mirrored

    images: (N, H, W, C). windows: (N, 3) int32, for each picture (top, left, mirrored): the window's corner in pixels,
    which may lie outside of the picture, and 0 or 1. size: (height, width) of all windows, in pixels.
    Returns y (N, height, width, C) in images' dtype. Raises ShapeError unless there is a window for each picture.
    """
    xp = array_module(images)
    n, h, w, _ = images.shape
    height, width = size
    top, left, mirrored = (windows[:, place].reshape(n, 1) for place in range(3))
    across = xp.arange(width)
    rows = (top + xp.arange(height)).reshape(n, height, 1)
    columns = (left + xp.where(mirrored != 0, width - 1 - across, across)).reshape(n, 1, width)
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    pictures = xp.arange(n).reshape(n, 1, 1)
    y = images[pictures, xp.clip(rows, 0, h - 1), xp.clip(columns, 0, w - 1)]
    return y * inside.reshape(n, height, width, 1)


@accelerated(_check_normalize_pixels)
def normalize_pixels(images: Array, mean: tuple[float, ...], std: tuple[float, ...], dtype: str = "float32") -> Array:
    """Scale bytes to 0–1, then take off the mean and divide by the deviation, a channel at a time.

        y[n, h, w, c] = (images[n, h, w, c] / 255 − mean[c]) / std[c]

    images: (N, H, W, C). mean, std: C numbers on the 0–1 scale (mean 0 and std 1 leave 0–1). dtype: of the
    result. Returns y (N, H, W, C). Raises ShapeError unless there are as many numbers as channels. Source: document 004
    §5.2.2, corrected: scaling to 0–1 is ToTensor's work, Normalize takes off the mean and divides by the deviation.
    """
    xp = array_module(images)
    mean_row, std_row = xp.asarray(mean, dtype=dtype), xp.asarray(std, dtype=dtype)
    return (images.astype(dtype) / 255 - mean_row) / std_row
