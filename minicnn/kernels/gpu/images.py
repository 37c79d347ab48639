"""Cutting and normalising pictures for CuPy arrays: they travel to the GPU as bytes. The kernels stand in images.cu."""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import LARGEST, elements, launch
from minicnn.ops.windows import Pair


def crop_and_flip(images: Array, windows: Array, size: Pair) -> Array:
    """Cut a window out of each picture and mirror it where asked: the twin of `minicnn.ops.images.crop_and_flip`."""
    xp = array_module(images)
    if not hasattr(xp, "RawModule") or images.dtype != np.uint8 or windows.dtype != np.int32:
        return NotImplemented
    n, h, w, c = images.shape
    if images.size == 0 or max(images.size, n * size[0] * size[1] * c) > LARGEST:
        return NotImplemented
    images, windows = xp.ascontiguousarray(images), xp.ascontiguousarray(windows)
    y = xp.empty((n, *size, c), dtype=images.dtype)
    arguments = (images, windows, y, y.size, h, w, c, *size)
    launch("images.cu", "crop_and_flip", elements(y.size), arguments, real="float32")
    return y


def normalize_pixels(images: Array, mean: tuple[float, ...], std: tuple[float, ...], dtype: str = "float32") -> Array:
    """Scale bytes to 0–1 and normalise each channel: the twin of `minicnn.ops.images.normalize_pixels`."""
    xp = array_module(images)
    channels = images.shape[-1]
    if not hasattr(xp, "RawModule") or images.dtype != np.uint8 or not 0 < images.size <= LARGEST:
        return NotImplemented
    if dtype not in ("float32", "float64"):
        return NotImplemented
    images = xp.ascontiguousarray(images)
    y = xp.empty(images.shape, dtype=dtype)
    rows = (_device_row(xp, images.device.id, tuple(row), dtype) for row in (mean, std))
    launch("images.cu", "normalize_pixels", elements(y.size), (images, *rows, y, y.size, channels), real=dtype)
    return y


@functools.lru_cache(maxsize=16)
def _device_row(xp: ModuleType, device: int, numbers: tuple[float, ...], dtype: str) -> Array:
    # Kept between batches: uploading three numbers for each would make every step wait for a transfer.
    return xp.asarray(numbers, dtype=dtype)
