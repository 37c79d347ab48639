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
    slots: list[_Slot] = []
    waiting: _Slot | None = None  # holds the batch that is on its way, or has arrived
    try:
        for number, (images, labels) in enumerate(batches):
            if number < 2:
                slots.append(_Slot(cupy))
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

    Two events keep the order. `uploaded`: the copy is done, so the host may write the pinned memory anew and the
    compute stream may read the device memory. `taken`: the compute stream has read the device memory, so the next copy
    may overwrite it.
    """

    def __init__(self, cupy: ModuleType) -> None:
        self.cupy = cupy
        self.pinned: list[np.ndarray] = []
        self.device: list[Array] = []
        self.batch: list[Array] = []  # the part of the device memory that the last upload filled
        self.uploaded, self.taken = cupy.cuda.Event(), cupy.cuda.Event()

    def upload(self, images: np.ndarray, labels: np.ndarray, stream: Any) -> None:
        """Start to copy a batch to the device, on `stream`."""
        self.uploaded.synchronize()  # only ever waits when the host runs a whole batch ahead of the copy engine
        if not all(room.shape[1:] == a.shape[1:] and len(room) >= len(a) for room, a in zip_all(self.pinned, images, labels)):
            self._allocate(images, labels)
        stream.wait_event(self.taken)
        self.batch = []
        for pinned, device, array in zip(self.pinned, self.device, (images, labels), strict=True):
            pinned[: len(array)] = array
            self.batch.append(device[: len(array)])
            self.batch[-1].set(pinned[: len(array)], stream=stream)
        self.uploaded.record(stream)
