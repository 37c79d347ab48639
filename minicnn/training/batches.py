"""What a network is trained on: arrays, a list of batches, or a loader, all seen as batches, epoch after epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Protocol, cast

import numpy as np

from minicnn.backend import Array, is_array, to_numpy
from minicnn.errors import UsageError


class Batches(Protocol):
    """Batches, epoch after epoch. `minicnn.data.Loader` is one, and so is any object with these two methods."""

    def __len__(self) -> int:
        """How many batches an epoch has."""

    def epoch(self, number: int) -> Iterable[tuple[Array, Array]]:
        """Yield the batches of epoch `number` (0, 1, …), each as (x, labels)."""


class ArrayBatches:
    """Batches out of arrays that lie in memory whole.

    x: (N, …) samples as the network reads them, or (N, H, W, C) uint8 pictures, which are normalised later. labels:
    (N,) integers. batch_size: samples a batch; the last of an epoch may have fewer. shuffle: a new order in every
    epoch, which follows from `seed` and the epoch's number alone.
    Raises UsageError unless there is a sample, and a label for each.
    """

    def __init__(
        self, x: Array, labels: Array | Sequence[int], batch_size: int, shuffle: bool = False, seed: int = 0
    ) -> None:
        self.x, self.labels = to_numpy(x), _integers(labels)
        if batch_size < 1:
            raise UsageError(f"batch size must be at least 1; got {batch_size}")
        if not len(self.x) or len(self.x) != len(self.labels):
            raise UsageError(f"{len(self.x)} samples with {len(self.labels)} labels: give one label for each, and some")
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches of epoch `number`, each as (x, labels) in memory of their own."""
        order = np.arange(len(self.x))
        if self.shuffle:
            np.random.default_rng([self.seed, number]).shuffle(order)
        for first in range(0, len(order), self.batch_size):
            chosen = order[first : first + self.batch_size]
            yield self.x[chosen], self.labels[chosen]


class ListedBatches:
    """The same batches in every epoch, in the order in which `batches` gives them.

    batches: of (x, labels), to be gone through anew in every epoch: a list, or something like one with a length.
    Raises UsageError for what has no length or no batches, such as a generator, which gives what it has only once.
    """

    def __init__(self, batches: Iterable[tuple[Array, Array]]) -> None:
        length = len(batches) if isinstance(batches, Sized) else None
        if not length:
            raise UsageError(
                f"every epoch needs all batches anew, but this {type(batches).__name__} "
                f"{'gives them only once' if length is None else 'has none'}: give a list of (x, labels), two arrays "
                "(x, labels), or an object with epoch(number) and a length"
            )
        self._batches, self._length = batches, length

    def __len__(self) -> int:
        return self._length

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches, whatever the epoch's number."""
        for x, labels in self._batches:
            yield to_numpy(x), _integers(labels)


def as_batches(source: object, batch_size: int, shuffle: bool = False, seed: int = 0) -> Batches:
    """Return what `source` gives as batches.

    source: two arrays (x, labels), which `ArrayBatches` cuts up as the other arguments say; a list of batches (x,
    labels), see `ListedBatches`; or what is Batches already, such as a Loader, and comes back as it is.
    Raises UsageError for anything else.
    """
    if hasattr(source, "epoch") and hasattr(source, "__len__"):
        return cast(Batches, source)
    if isinstance(source, tuple) and len(source) == 2 and is_array(source[0]):
        return ArrayBatches(*source, batch_size, shuffle, seed)
    if isinstance(source, Iterable) and not is_array(source):
        return ListedBatches(source)
    raise UsageError(
        f"cannot train on this {type(source).__name__}: give two arrays (x, labels), a list of batches (x, labels), "
        "or a Loader"
    )


def _integers(labels: Array | Sequence[int]) -> np.ndarray:
    array = to_numpy(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(f"labels should be (N,) integers; got {array.dtype} of shape {array.shape}")
    return array.astype(np.int64, copy=False)
