"""Every layer and every network of the documents passes the gradient check below 1e-6, in both modes."""

from __future__ import annotations

import pytest

from minicnn import (
    Dense,
    Dropout,
    Flatten,
    ReLU,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    gradcheck,
    models,
)
from minicnn.inspection import gradcheck_loss
from minicnn.inspection.checks import layer_cases
from minicnn.layers.base import Layer, Shape
from tests.layers.cases import layer_classes

# Pictures somewhat larger than the smallest possible, so that the last feature map has more than one pixel.
PICTURES = {
    "cnn3": (22, 30, 3),
    "cnn2": (14, 15, 3),
    "cifar_cnn": (20, 21, 3),
    "torch_cnn": (7, 6, 3),
    "simple_cnn": (85, 86, 3),
    "dcnn5": (8, 17, 3),
}
ELEMENTS = {"simple_cnn": 3}  # of each array: its picture cannot be small, nor a forward pass quick


@pytest.mark.parametrize(("layer", "shape"), layer_cases(), ids=lambda value: str(value).replace(" ", ""))
def test_layer(layer: Layer, shape: Shape, mode: str) -> None:
    report = gradcheck(layer, shape)
    assert report.passed, report.describe()
    assert report.max_relative_error < 1e-6


def test_every_kind_of_layer_is_among_the_cases() -> None:
    assert layer_classes() == {type(layer).__name__ for layer, _ in layer_cases()}


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss(smoothing: float, mode: str) -> None:
    report = gradcheck_loss(SoftmaxCrossEntropy(smoothing))
    assert report.passed, report.describe()


def test_every_network_of_the_documents_has_a_picture() -> None:
    assert set(PICTURES) <= set(models.MODELS)


@pytest.mark.parametrize("name", PICTURES)
def test_network(name: str, mode: str) -> None:
    net = models.build(name, PICTURES[name], classes=4, seed=1)
    report = gradcheck(net, PICTURES[name], loss=SoftmaxCrossEntropy(), elements=ELEMENTS.get(name, 6))
    assert report.passed, report.describe()
    assert report.max_relative_error < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_smooth_and_random_layers_together(seed: int, mode: str) -> None:
    net = Sequential(
        [Flatten(), Dense(12), Tanh(), Dropout(0.3), Dense(8), Sigmoid(), Dense(6), ReLU(), Dense(3)], (3, 2, 2), seed
    )
    report = gradcheck(net, (3, 2, 2), seed, elements=100)
    assert report.passed, report.describe()
