"""The networks that the page's tests share: between them they have every way in which layers go together."""

from __future__ import annotations

import numpy as np

from minicnn import (
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)

PICTURE = (9, 8, 3)


def plain(first: Layer | None = None) -> list[Layer]:
    """Return a network without branches, whose second convolution has groups."""
    return [
        Conv2D(4, 3), first or ReLU(), MaxPool2D(2), Conv2D(6, 3, padding=1, groups=2), LeakyReLU(0.1),
        Flatten(), Dropout(0.3), Dense(5),
    ]  # fmt: skip


def residual() -> list[Layer]:
    """Return a network with branches of several layers, of one, and of none, and normalisations of all kinds."""
    body = [
        Conv2D(6, 3, stride=2, padding=1, bias=False), BatchNorm2D(), ReLU(),
        Conv2D(6, 3, padding=1, bias=False), BatchNorm2D(),
    ]  # fmt: skip
    return [
        Conv2D(4, 3, padding="same", bias=False), BatchNorm2D(), ReLU(), LocalResponseNorm(3, alpha=0.5),
        Residual(body, [Conv2D(6, 1, stride=2, bias=False), BatchNorm2D()]), ReLU(),
        Residual(Conv2D(6, 3, padding=2, dilation=2)), AvgPool2D(2), LayerNorm(), Tanh(), GlobalAvgPool2D(), Dense(5),
    ]  # fmt: skip


NETWORKS = {"plain": plain, "residual": residual}


def network(layers: list[Layer], dtype: str = "float64") -> Sequential:
    """Return the network, with running statistics and biases as if it had learnt."""
    net = Sequential(layers, PICTURE, seed=2, dtype=dtype)
    rng = np.random.default_rng(3)
    for name, variable in net.variables().items():
        if name.rpartition(".")[2] != "weight" or variable.value.ndim == 1:
            variable.value = (variable.value + rng.uniform(0.1, 0.5, variable.shape)).astype(dtype)
    return net
