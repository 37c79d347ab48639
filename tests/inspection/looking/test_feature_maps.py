"""What the layers make of a picture, by PyTorch's hooks; and the filters that come first."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Residual, Sequential, trace
from minicnn.errors import UsageError
from minicnn.inspection.feature_maps import feature_maps, first_filters, most_active


def test_maps_are_those_of_the_networks_own_pass(rng: np.random.Generator) -> None:
    layers = [Conv2D(4, 3), ReLU(), Residual([Conv2D(4, 3, padding=1)]), MaxPool2D(2), Flatten(), Dense(3)]
    net = Sequential(layers, input_shape=(10, 9, 3), seed=0)
    x = rng.normal(size=(1, 10, 9, 3)).astype(np.float32)
    maps = feature_maps(net, x[0])
    assert {name: array.shape for name, array in maps.items()} == {
        "conv1": (8, 7, 4), "relu1": (8, 7, 4), "residual1": (8, 7, 4), "pool1": (4, 3, 4)
    }  # fmt: skip
    t = trace(net, x)
    for name, array in maps.items():
        np.testing.assert_allclose(array, t[f"{name}.y"].value[0], atol=1e-5)


def test_the_most_active_channels_come_first() -> None:
    maps = np.zeros((2, 2, 4))
    maps[..., 1], maps[..., 2], maps[0, 0, 3] = 1, -2, 3
    assert most_active(maps, 3) == [2, 1, 3]
    assert most_active(maps, 9) == [2, 1, 3, 0]


def test_first_filters() -> None:
    net = Sequential([Residual([Conv2D(3, 3, padding=1)]), Conv2D(5, 1), Flatten(), Dense(2)], input_shape=(4, 4, 3))
    name, weights = first_filters(net)
    assert name == "residual1.body.conv1" or name == "residual1.body"
    assert weights.shape == (3, 3, 3, 3)
    with pytest.raises(UsageError, match="no convolution"):
        first_filters(Sequential([Flatten(), Dense(2)], input_shape=(4, 4, 3)))
