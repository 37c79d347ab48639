"""Batches from where they are made to the device that trains on them.

On a GPU three things go on at once: the loader's threads read the batch after next, the copy engine uploads the next
batch, and the processors compute on this one. Pixels travel as bytes, a quarter of the floats; random crops and flips
travel as three numbers a picture. Both are carried out on the device, where the whole batch is cut, mirrored and
normalised at once. The step waits for nothing but a loader that does not keep up.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minicnn import ops
from minicnn.backend import Array
from minicnn.devices import require_cupy
from minicnn.training.batches import Batches
from minicnn.training.normalization import Normalization


class _Batch(NamedTuple):
    """A batch of pictures with the last step left to do, as `minicnn.data.UncutBatch` describes it.

    Where there is nothing to cut, windows is None and images are any samples x (N, …).
    """

    images: Array
    windows: Array | None
    size: tuple[int, int]
    labels: Array


def feed(
    batches: Batches, epoch: int, normalization: Normalization, device: str = "cpu"
) -> Iterator[tuple[Array, Array]]:
    """Yield the batches of one epoch as (x, labels), both on `device`.

    x: (N, H, W, C) float32, normalised, where the batches are of bytes; what is no bytes comes as it is. labels: (N,)
    integers. No later batch overwrites them. Raises DeviceError for a GPU that is not there, and whatever the making
    of the batches raises.
    """
    if device == "cpu":
        for batch in _uncut(batches, epoch):
            yield _finished(batch, normalization), batch.labels
    else:
        yield from _feed_gpu(require_cupy(), _uncut(batches, epoch), normalization)


def _uncut(batches: Batches, epoch: int) -> Iterator[_Batch]:
    if hasattr(batches, "uncut"):
        yield from batches.uncut(epoch)
    else:
        for x, labels in batches.epoch(epoch):
            yield _Batch(x, None, (0, 0), labels)


def _finished(batch: _Batch, normalization: Normalization) -> Array:
    """Return x (N, …), cut, mirrored and normalised on the device where `batch` is."""
    images = batch.images if batch.windows is None else ops.crop_and_flip(batch.images, batch.windows, batch.size)
    return normalization(images) if images.dtype == np.uint8 else images


def _feed_gpu(
    cupy: ModuleType, batches: Iterator[_Batch], normalization: Normalization
) -> Iterator[tuple[Array, Array]]:
    uploads = cupy.cuda.Stream(non_blocking=True)
    slots = _Slot(cupy), _Slot(cupy)
    waiting: _Slot | None = None  # holds the batch that is on its way, or has arrived
    try:
        for number, batch in enumerate(batches):
            slot = slots[number % 2]
            slot.upload(batch, uploads)
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
        self.pinned: list[np.ndarray] = []  # for a batch's arrays, as large as the largest batch so far
        self.device: list[Array] = []
        self.filled = 0  # images of the last upload
        self.size = (0, 0)  # of its windows

    def upload(self, batch: _Batch, stream: Any) -> None:
        """Start to copy a batch to the device, on `stream`."""
        self.uploaded.synchronize()  # waits only when the host is a whole batch ahead of the copies
        arrays = [a for a in (batch.images, batch.labels, batch.windows) if a is not None]
        if not self.pinned or not _fits(batch.images, self.pinned[0]):
            self.pinned = [self._pinned_like(a) for a in arrays]
            self.device = [self.cupy.empty(a.shape, dtype=a.dtype) for a in arrays]
            self.taken.record()  # what last used this memory on the compute stream has to end first
        stream.wait_event(self.taken)
        self.filled, self.size = len(batch.labels), batch.size
        for pinned, device, array in zip(self.pinned, self.device, arrays, strict=True):
            pinned[: self.filled] = array
            device[: self.filled].set(pinned[: self.filled], stream=stream)
        self.uploaded.record(stream)

    def take(self, normalization: Normalization) -> tuple[Array, Array]:
        """Return the uploaded batch as (x, labels) in memory of their own, computed on the current stream."""
        self.cupy.cuda.get_current_stream().wait_event(self.uploaded)
        images, labels, *windows = (device[: self.filled] for device in self.device)
        batch = _Batch(images, windows[0] if windows else None, self.size, labels.copy())
        x = _finished(batch, normalization)
        x = x.copy() if x is images else x
        self.taken.record()
        return x, batch.labels

    def _pinned_like(self, array: np.ndarray) -> np.ndarray:
        # Memory that the operating system may not move: only such memory is copied while the processors compute.
        memory = self.cupy.cuda.alloc_pinned_memory(array.nbytes)
        return np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)


def _fits(images: np.ndarray, memory: np.ndarray) -> bool:
    # Pictures may be of another size in each batch where cutting the windows makes them all alike.
    return len(images) <= len(memory) and images.shape[1:] == memory.shape[1:] and images.dtype == memory.dtype
