"""An exported network gives in onnxruntime what it gives here, in batches of any size."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import (
    GELU,
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    LeakyReLU,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Tanh,
    models,
)
from minicnn.errors import UsageError
from minicnn.exchange.onnx import FORMS, Graph, form_of, to_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'minicnn[export]'")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")

CLOSE = 1e-4  # of the largest output
LEAST_SIZES = (8, 16, 32, 40, 48, 64, 96, 128, 224)  # pixels: a network is tried at the smallest that it can read


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    """Return what onnxruntime computes, after the model was checked with its shapes."""
    onnx.checker.check_model(content, full_check=True)
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    ((output,), (source,)) = session.get_outputs(), session.get_inputs()
    assert output.name == "logits" and source.shape == ["N", *x.shape[1:]]
    return session.run(None, {source.name: x})[0]


def assert_same(net: Sequential, rng: np.random.Generator, scale: float = 1) -> None:
    content = to_onnx(net)
    for batch in (1, 3):
        x = scale * rng.standard_normal((batch, *net.input_shape)).astype("float32")
        expected = net.forward(x.astype(net.dtype))
        got = run(content, x)
        assert got.shape == expected.shape and got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=CLOSE * np.abs(expected).max())


def with_random_state(net: Sequential, rng: np.random.Generator) -> Sequential:
    """Give every variable of one axis other numbers: where batch norm does nothing, nothing could be forgotten."""
    for variable in net.variables().values():
        if len(variable.shape) == 1:
            variable.value = rng.uniform(0.5, 1.5, variable.shape).astype(net.dtype)
    return net


def smallest(name: str) -> Sequential:
    """Return the network for the smallest pictures that it can read, and few classes."""
    for size in LEAST_SIZES:
        try:
            return models.build(name, (size, size, 3), classes=7, seed=0)
        except UsageError:
            continue
    pytest.fail(f"{name} reads no picture of up to {LEAST_SIZES[-1]} pixels")


@pytest.mark.parametrize("name", models.MODELS)
def test_every_network(name: str, rng: np.random.Generator) -> None:
    assert_same(with_random_state(smallest(name), rng), rng)


LAYERS = [
    (type(layer), number)
    for layer_class in vars(minicnn).values()
    if isinstance(layer_class, type) and issubclass(layer_class, Layer) and layer_class is not Layer
    for number, (layer, _) in enumerate(layer_class.examples())
]


@pytest.mark.parametrize(("kind", "number"), LAYERS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_every_layer_in_every_example(kind: type[Layer], number: int, rng: np.random.Generator) -> None:
    layer, shape = kind.examples()[number]
    assert_same(with_random_state(Sequential([layer], shape, seed=0), rng), rng)


@pytest.mark.parametrize("padding", [((0, 1), (2, 0)), "same", (2, 1)])
def test_padding_of_each_side_is_its_own(padding: Any, rng: np.random.Generator) -> None:
    layers = [Conv2D(4, 3, 2, padding), AvgPool2D(3, 1, ((0, 1), (1, 0))), MaxPool2D(3, 2, ((1, 0), (0, 1)))]
    assert_same(Sequential(layers, (9, 8, 3), seed=0), rng)


def test_rows_and_columns_stay_what_they_are_where_a_picture_becomes_a_row(rng: np.random.Generator) -> None:
    assert_same(Sequential([Conv2D(4, 3), Flatten(), Dense(6)], (5, 7, 3), seed=0), rng)


def test_networks_in_networks(rng: np.random.Generator) -> None:
    inner = Residual([Conv2D(4, 3, padding=1), Sequential([BatchNorm2D(), ReLU()])], [Conv2D(4, 1)])
    net = Sequential([Sequential([inner, Residual(ReLU())]), GlobalAvgPool2D(), Residual(Dense(4))], (5, 7, 3), seed=0)
    assert_same(with_random_state(net, rng), rng)


@pytest.mark.parametrize("layer", [ReLU(), ReLU6(), LeakyReLU(0.3), Sigmoid(), Tanh(), SiLU(), GELU()], ids=repr)
def test_activations_far_from_zero(layer: Layer, rng: np.random.Generator) -> None:
    assert_same(Sequential([layer], (200,)), rng, scale=5)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_local_response_norm_of_large_numbers(size: int, rng: np.random.Generator) -> None:
    assert_same(Sequential([LocalResponseNorm(size, alpha=0.9, beta=0.6, k=0.5)], (3, 2, 7)), rng)


def test_float64_is_written_as_float32(rng: np.random.Generator) -> None:
    assert_same(Sequential([Conv2D(4, 3), Flatten(), Dense(6)], (5, 7, 3), seed=0, dtype="float64"), rng)


def test_what_stands_beside_the_network() -> None:
    net = Sequential([Conv2D(4, 3), Flatten(), Dense(6)], (5, 7, 3), seed=0)
    model = onnx.load_from_string(to_onnx(net, {"classes": '["cat", "dög"]'}))
    assert {entry.key: entry.value for entry in model.metadata_props} == {"classes": '["cat", "dög"]'}
    assert (model.producer_name, model.producer_version) == ("minicnn", minicnn.__version__)
    weights = {weight.name: tuple(weight.dims) for weight in model.graph.initializer}
    assert weights == {"conv1.weight": (4, 3, 3, 3), "conv1.bias": (4,), "dense1.weight": (60, 6), "dense1.bias": (6,)}


class Twice(Layer):
    """y = 2·x."""

    def forward(self, x: Any, training: bool = False) -> Any:
        return 2 * x


class TwiceRectified(ReLU):
    """y = 2·max(x, 0), by one method of an activation's."""

    def function(self, x: Any) -> Any:
        return 2 * super().function(x)


class Block(Sequential):
    """Layers of which only the list is new."""

    def __init__(self, units: int) -> None:
        super().__init__([Dense(units), ReLU()])


@pytest.mark.parametrize("layer", [Twice(), TwiceRectified()])
def test_a_layer_of_ones_own_is_one_line(layer: Layer) -> None:
    net = Sequential([Dense(3), Residual([layer])], (4,))
    with pytest.raises(UsageError, match=rf"residual1\.body\.{layer.kind}1 is a {type(layer).__name__}") as error:
        to_onnx(net)
    assert "\n" not in str(error.value)


def test_a_layer_of_ones_own_that_says_its_form(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setitem(FORMS, Twice, FORMS[ReLU])  # so that it is taken out again

    @form_of(Twice)
    def twice(graph: Graph, layer: Layer, x: str) -> str:
        return graph.add("Add", x, x, name=layer.name)

    assert_same(Sequential([Dense(3), Twice(), Dense(2)], (4,)), rng)


def test_a_list_of_layers_with_a_name_of_its_own(rng: np.random.Generator) -> None:
    assert_same(Sequential([Block(3), Block(2)], (4,)), rng)


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"pip install 'minicnn\[export\]'"):
        to_onnx(Sequential([Dense(3)], (4,)))


def test_a_network_beyond_2_gib_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minicnn.exchange.onnx, "LARGEST", 4 * 15 - 1)
    to_onnx(Sequential([Dense(2)], (4,)))
    with pytest.raises(UsageError, match="2 GiB"):
        to_onnx(Sequential([Dense(3)], (4,)))
