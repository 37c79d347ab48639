"""Cutting and normalising pictures for NumPy arrays, in one pass over memory. Shapes as in `minicnn.ops.images`."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.elementwise import SMALLEST, run_divided
from minicnn.kernels.cpu.memory import empty
from minicnn.ops.windows import Pair


def crop_and_flip(images: np.ndarray, windows: np.ndarray, size: Pair) -> np.ndarray:
    """Cut a window out of each picture and mirror it where asked: the twin of `minicnn.ops.images.crop_and_flip`."""
    if images.dtype != np.uint8 or windows.dtype != np.int32:
        return NotImplemented
    y = empty((len(images), *size, images.shape[3]), images.dtype)
    run_divided(_crop_and_flip, (plain(images), plain(windows), y))
    return y


def normalize_pixels(
    images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...], dtype: str = "float32"
) -> np.ndarray:
    """Scale bytes to 0–1, then normalise each channel: the twin of `minicnn.ops.images.normalize_pixels`."""
    channels = images.shape[-1]
    if images.dtype != np.uint8 or images.size < SMALLEST or np.dtype(dtype) not in FLOATS:
        return NotImplemented
    # A byte has 256 values: each channel's results are looked up, which also makes them the formula's to the last bit.
    bytes_as_floats = np.arange(256, dtype=dtype).reshape(256, 1) / 255
    table = (bytes_as_floats - np.asarray(mean, dtype)) / np.asarray(std, dtype)
    y = empty(images.shape, table.dtype)
    rows = (-1, images.shape[-2] * channels)
    run_divided(_look_up, (plain(images).reshape(rows), y.reshape(rows)), table)
    return y


@entry
def _crop_and_flip(images, windows, y):
    _, h, w, channels = images.shape
    pictures, height, width, _ = y.shape
    for n in range(pictures):
        top, left, mirrored = windows[n, 0], windows[n, 1], windows[n, 2]
        for i in range(height):
            row = top + i
            for j in range(width):
                column = left + (width - 1 - j if mirrored else j)
                inside = 0 <= row < h and 0 <= column < w
                for c in range(channels):
                    y[n, i, j, c] = images[n, row, column, c] if inside else 0


@entry
def _look_up(images, y, table):
    channels = table.shape[1]
    for row in range(images.shape[0]):
        for first in range(0, images.shape[1], channels):
            for c in range(channels):
                y[row, first + c] = table[images[row, first + c], c]
