"""One network of every kind of layer, for the tests that walk over all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn import layers
from minicnn.layers import (
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)

PICTURE = (7, 8, 3)

# name → (a function that makes the layer, the shape of one sample)
LAYERS: dict[str, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    "Conv2D": (lambda: Conv2D(4, 3), PICTURE),
    "Conv2D same, strided, even": (lambda: Conv2D(2, (2, 4), stride=(2, 1), padding="same"), PICTURE),
    "Conv2D asymmetric": (lambda: Conv2D(2, 3, padding=((0, 2), (1, 0))), PICTURE),
    "Dense": (lambda: Dense(5), (6,)),
    "ReLU": (ReLU, PICTURE),
    "Sigmoid": (Sigmoid, PICTURE),
    "Tanh": (Tanh, PICTURE),
    "MaxPool2D": (lambda: MaxPool2D(2), PICTURE),
    "MaxPool2D overlapping, padded": (lambda: MaxPool2D(3, stride=2, padding=1), PICTURE),
    "AvgPool2D": (lambda: AvgPool2D(3, stride=2, padding="same"), PICTURE),
    "Flatten": (Flatten, PICTURE),
    "Dropout": (lambda: Dropout(0.4), PICTURE),
    "Sequential": (
        lambda: Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.3), Dense(5)]),
        PICTURE,
    ),
}


def built(name: str, dtype: str = "float64", seed: int = 0) -> Layer:
    """Return the layer called `name`, built."""
    make, input_shape = LAYERS[name]
    layer = make()
    layer.build(input_shape, np.random.default_rng(seed), dtype)
    return layer


def batch(name: str, rng: np.random.Generator, dtype: str = "float64", n: int = 2) -> np.ndarray:
    """Return n samples that the layer called `name` reads."""
    return rng.standard_normal((n, *LAYERS[name][1])).astype(dtype)


def layer_classes() -> set[str]:
    """Return the names of all public layers."""
    return {name for name in layers.__all__ if name not in ("Layer", "Parameter")}
