"""What the layers of a network make of a picture, and what its first filters look like."""

from __future__ import annotations

import numpy as np

from minicnn.backend import Array, to_numpy
from minicnn.errors import UsageError
from minicnn.layers import Conv2D, Sequential


def feature_maps(net: Sequential, x: Array) -> dict[str, np.ndarray]:
    """Return what each of the network's own layers makes of one picture, where that is a picture, by the layer's name.

    x: (H, W, C) as the network reads it. Returns arrays (h, w, c), as in evaluation.
    """
    maps: dict[str, np.ndarray] = {}
    y = x[None]
    for layer in net.layers:
        y = layer.forward(y)
        if y.ndim == 4:
            maps[layer.name] = to_numpy(y)[0]
    return maps


def most_active(maps: np.ndarray, most: int) -> list[int]:
    """Return the channels of maps (h, w, C) with the largest mean |value|, the largest first, at most `most`."""
    strength = np.abs(maps).mean(axis=(0, 1))
    return np.argsort(-strength, kind="stable")[:most].tolist()


def first_filters(net: Sequential) -> tuple[str, np.ndarray]:
    """Return the name and the weights (KH, KW, C, F) of the network's first convolution.

    Raises UsageError where there is none.
    """
    for name, layer in net.walk():
        if isinstance(layer, Conv2D):
            return name, to_numpy(layer.weight.value)
    raise UsageError("this network has no convolution, and so no filters to look at")
