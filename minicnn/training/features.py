"""What frozen layers make of pictures, computed once: the network's other layers are then trained on that."""

from __future__ import annotations

import numpy as np

from minicnn.backend import to_numpy
from minicnn.layers import Sequential
from minicnn.training.batches import Batches
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization


def compute_features(
    net: Sequential, layers: int, batches: Batches, normalization: Normalization, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the first `layers` layers of `net` give in inference for all pictures, (N, …), and labels (N,).

    batches: of the pictures, in a fixed order. normalization: from bytes to floats. device: where net is.
    """
    frozen = net.head(layers)
    features, labels = [], []
    for x, kinds in feed(batches, 0, normalization, device):
        features.append(to_numpy(frozen.forward(x)))
        labels.append(to_numpy(kinds))
    return np.concatenate(features), np.concatenate(labels)
