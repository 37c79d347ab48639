"""What frozen layers make of pictures, computed once: the network's other layers are then trained on that."""

from __future__ import annotations

import time

import numpy as np

from minicnn.backend import to_numpy
from minicnn.layers import Sequential
from minicnn.training.batches import Batches
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization
from minicnn.training.progress import PLAIN_INTERVAL, Progress


def compute_features(
    net: Sequential, layers: int, batches: Batches, normalization: Normalization, device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return what the first `layers` layers of `net` give in inference for all pictures, (N, …), and labels (N,).

    batches: of the pictures, in a fixed order. normalization: from bytes to floats. device: where net is. progress: is
    told every `PLAIN_INTERVAL` seconds how far it is.
    """
    frozen = net.head(layers)
    features, labels = [], []
    told = time.perf_counter()
    for done, (x, kinds) in enumerate(feed(batches, 0, normalization, device), start=1):
        features.append(to_numpy(frozen.forward(x)))
        labels.append(to_numpy(kinds))
        if progress is not None and time.perf_counter() - told >= PLAIN_INTERVAL:
            progress.note(f"{done} of {len(batches)} batches have gone through the frozen layers")
            told = time.perf_counter()
    return np.concatenate(features), np.concatenate(labels)
