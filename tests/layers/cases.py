"""One network of every kind of layer, for the tests that walk over all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn import layers
from minicnn.layers import Layer


def layer_classes() -> set[str]:
    """Return the names of all public layers."""
    public = {name: getattr(layers, name) for name in layers.__all__}
    return {name for name, kind in public.items() if isinstance(kind, type) and issubclass(kind, Layer)} - {"Layer"}


# name → (a function that makes the layer, the shape of one sample): the examples that each kind gives of itself
LAYERS: dict[str, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    f"{kind} {number}": (lambda kind=kind, number=number: getattr(layers, kind).examples()[number][0], shape)
    for kind in sorted(layer_classes())
    for number, (_, shape) in enumerate(getattr(layers, kind).examples())
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
