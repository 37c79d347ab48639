"""One look at every picture of a part of the data: statistics of its numbers, and a thumbnail to know it by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from minicnn.backend import Array, to_numpy
from minicnn.errors import UsageError

THUMBNAIL = 16  # pixels a side


@dataclass
class Survey:
    """What the pictures of a part are like, as the network reads them.

    mean, std: of each channel, (C,) float64. spread: (C,), the deviation of the pictures' own means. lowest, highest:
    of all numbers. plain: how many pictures have one value a channel everywhere. finite: whether every number is.
    thumbnails: (N, h, w, C) float32, h and w at most THUMBNAIL; empty for samples that are no pictures. labels: (N,).
    names: what each is called, where they have names.
    """

    mean: np.ndarray
    std: np.ndarray
    spread: np.ndarray
    lowest: float
    highest: float
    plain: int
    finite: bool
    thumbnails: np.ndarray
    labels: np.ndarray
    names: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)


def survey(batches: Iterable[tuple[Array, Array]]) -> Survey:
    """Go through batches (x, labels) once, x being (N, H, W, C) pictures or (N, D) vectors of floats.

    Raises UsageError when there is none.
    """
    sums, squares, count = np.zeros(1), np.zeros(1), 0
    lowest, highest, plain, finite = np.inf, -np.inf, 0, True
    thumbnails, labels, means = [], [], []
    for given, of_batch in batches:
        x = to_numpy(given)
        values = x.reshape(-1, x.shape[-1]).astype(np.float64)
        sums, squares, count = sums + values.sum(0), squares + (values**2).sum(0), count + len(values)
        lowest, highest = min(lowest, float(x.min())), max(highest, float(x.max()))
        finite = finite and bool(np.isfinite(values).all())
        means.append(x.reshape(len(x), -1, x.shape[-1]).mean(axis=1, dtype=np.float64))
        if x.ndim == 4:
            plain += int((np.ptp(x, axis=(1, 2)) == 0).all(-1).sum())
            thumbnails.append(shrunk(x, THUMBNAIL))
        labels.append(to_numpy(of_batch))
    if not count:
        raise UsageError("none of the images could be read, so there is nothing to examine")
    mean = sums / count
    std, spread = np.sqrt(np.maximum(squares / count - mean**2, 0)), np.concatenate(means).std(axis=0)
    return Survey(
        mean, std, spread, lowest, highest, plain, finite,
        np.concatenate(thumbnails) if thumbnails else np.zeros((0, 1, 1, 1), np.float32), np.concatenate(labels),
    )  # fmt: skip


def shrunk(x: np.ndarray, side: int) -> np.ndarray:
    """Return pictures (N, H, W, C) as means over blocks, (N, min(H, side), min(W, side), C) float32.

    Where a side is no multiple of the other, blocks differ by a pixel.
    """
    for axis in (1, 2):
        edges = np.linspace(0, x.shape[axis], min(x.shape[axis], side) + 1).astype(int)
        sizes = np.diff(edges).reshape([-1 if place == axis else 1 for place in range(4)])
        x = np.add.reduceat(x, edges[:-1], axis=axis, dtype=np.float32) / sizes
    return x.astype(np.float32)
