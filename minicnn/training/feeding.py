"""Batches from the loader to the device that trains on them.

On a GPU three things go on at once: the loader's threads read the batch after next, the copy engine uploads the next
batch, and the processors compute on this one. Pixels travel as bytes, a quarter of the floats, and are normalised on
the device. The step waits for nothing but a loader that does not keep up.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from minicnn.backend import Array, require_cupy
from minicnn.data import Loader
from minicnn.training.normalization import Normalization


def feed(
    loader: Loader, epoch: int, normalization: Normalization, device: str = "cpu"
) -> Iterator[tuple[Array, Array]]:
    """Yield the batches of one epoch as (x, labels), both on `device`.

    x: (N, H, W, C) float32, normalised. labels: (N,) integers. Both are the caller's: no later batch overwrites them.
    Raises DeviceError for a GPU that is not there, and whatever the loader raises.
    """
    if device == "cpu":
        for images, labels in loader.epoch(epoch):
            yield normalization(images), labels
    else:
        yield from _feed_gpu(require_cupy(), loader.epoch(epoch), normalization)


def _feed_gpu(
    cupy: ModuleType, batches: Iterator[tuple[np.ndarray, np.ndarray]], normalization: Normalization
) -> Iterator[tuple[Array, Array]]:
    uploads = cupy.cuda.Stream(non_blocking=True)
    slots = _Slot(cupy), _Slot(cupy)
    waiting: _Slot | None = None  # holds the batch that is on its way, or has arrived
    try:
        for number, (images, labels) in enumerate(batches):
            slot = slots[number % 2]
            slot.upload(images, labels, uploads)
            if waiting is not None:
                yield waiting.take(normalization)
            waiting = slot
        if waiting is not None:
            yield waiting.take(normalization)
    finally:
        uploads.synchronize()  # no copy may run on into memory that is given back


class _Slot:
    """Pinned host memory and device memory for one batch on its way; two slots take turns.

    Two events keep the order. `uploaded`: the copy is done, so the host may write to the pinned memory and the compute
    stream may read the device memory. `taken`: the compute stream has read the device memory, so the next copy may
    write to it.
    """

    def __init__(self, cupy: ModuleType) -> None:
        self.cupy = cupy
        self.uploaded, self.taken = cupy.cuda.Event(), cupy.cuda.Event()
        self.pinned: list[np.ndarray] = []  # for images and labels, as large as the largest batch so far
        self.device: list[Array] = []
        self.filled = 0  # images of the last upload

    def upload(self, images: np.ndarray, labels: np.ndarray, stream: Any) -> None:
        """Start to copy a batch to the device, on `stream`."""
        self.uploaded.synchronize()  # waits only when the host is a whole batch ahead of the copies
        if not self.pinned or len(self.pinned[0]) < len(images):
            self.pinned = [self._pinned_like(images), self._pinned_like(labels)]
            self.device = [self.cupy.empty(a.shape, dtype=a.dtype) for a in (images, labels)]
            self.taken.record()  # what last used this memory on the compute stream has to end first
        stream.wait_event(self.taken)
        self.filled = len(images)
        for pinned, device, array in zip(self.pinned, self.device, (images, labels), strict=True):
            pinned[: self.filled] = array
            device[: self.filled].set(pinned[: self.filled], stream=stream)
        self.uploaded.record(stream)

    def take(self, normalization: Normalization) -> tuple[Array, Array]:
        """Return the uploaded batch as (x, labels) in memory of their own, computed on the current stream."""
        self.cupy.cuda.get_current_stream().wait_event(self.uploaded)
        images, labels = (device[: self.filled] for device in self.device)
        x, labels = normalization(images), labels.copy()
        self.taken.record()
        return x, labels

    def _pinned_like(self, array: np.ndarray) -> np.ndarray:
        # Memory that the operating system may not move: only such memory is copied while the processors compute.
        memory = self.cupy.cuda.alloc_pinned_memory(array.nbytes)
        return np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
