"""Int8 networks: what becomes of a network's layers, that they compute what they were made from, and do not learn."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    LayerNorm,
    MaxPool2D,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    SiLU,
    keep_for_backward,
    ops,
    use_kernels,
)
from minicnn.errors import UsageError
from minicnn.layers import Layer
from minicnn.layers.int8 import folded, int8_network, nodes_of
from minicnn.layers.quantized import Int8Conv2D
from minicnn.training.calibration import METHODS, quantize_network

SHAPE = (12, 10, 3)


def plain() -> list[Layer]:
    return [Conv2D(8, 3), ReLU(), MaxPool2D(2), Conv2D(6, 3, padding=1), ReLU(), Flatten(), Dense(9), ReLU(), Dense(4)]


def bottlenecks() -> list[Layer]:
    """As in MobileNetV2: depthwise convolutions, ReLU6, and sums of two scales."""
    body = [
        Conv2D(12, 1, bias=False), BatchNorm2D(), ReLU6(),
        Conv2D(12, 3, padding="same", groups=12, bias=False), BatchNorm2D(), ReLU6(),
        Conv2D(6, 1, bias=False), BatchNorm2D(),
    ]  # fmt: skip
    return [Conv2D(6, 3, 2, "same"), BatchNorm2D(), ReLU6(), Residual(body), GlobalAvgPool2D(), Dropout(0.2), Dense(4)]


def residuals() -> list[Layer]:
    """As in ResNet: a shortcut of its own, a sum that ends in ReLU, a batch norm behind a pool."""
    body = [Conv2D(8, 3, 2, 1, bias=False), BatchNorm2D(), ReLU(), Conv2D(8, 3, padding=1, bias=False), BatchNorm2D()]
    shortcut = [Conv2D(8, 1, 2, bias=False), BatchNorm2D()]
    inner = Residual([Conv2D(8, 3, padding=1), ReLU(), Residual([Conv2D(8, 1)]), ReLU()])
    before = [Conv2D(5, 3, padding=1), MaxPool2D(3, 2, 1), BatchNorm2D(), ReLU()]
    return [*before, Residual(body, shortcut), ReLU(), inner, GlobalAvgPool2D(), Dense(4)]


def mixed() -> list[Layer]:
    """With layers between that compute in floating point, and a Sequential inside."""
    inside = Sequential([Conv2D(8, 3), SiLU(), MaxPool2D(2), LayerNorm()])
    body = [Conv2D(8, 1), SiLU()]
    return [inside, Residual(body), Conv2D(4, 1), GlobalAvgPool2D()]


NETWORKS = {make.__name__: make for make in (plain, bottlenecks, residuals, mixed)}


def trained(name: str, rng: np.random.Generator) -> tuple[Sequential, np.ndarray]:
    """Return a network whose batch norms have seen pictures, and other pictures."""
    net = Sequential(NETWORKS[name](), SHAPE, seed=3)
    pictures = rng.standard_normal((40, *SHAPE)).astype("float32")
    for parameter in net.parameters().values():
        if parameter.value.ndim == 1:
            parameter.value[:] = rng.normal(parameter.value, 0.3)
    for _ in range(20):
        net.forward(pictures[:16], training=True)
    return net, pictures


@pytest.mark.parametrize("name", NETWORKS)
def test_an_int8_network_gives_nearly_what_it_was_made_from(name: str, mode: str, rng: np.random.Generator) -> None:
    net, pictures = trained(name, rng)
    expected = net.forward(pictures)
    int8 = quantize_network(net, [pictures[:20], pictures[20:]])
    logits = int8.forward(pictures)
    assert logits.dtype == "float32" and not np.array_equal(logits, expected)
    assert np.abs(logits - expected).max() < 0.06 * np.abs(expected).max()
    assert np.sqrt(np.mean((logits - expected) ** 2)) < 0.02 * expected.std()


@pytest.mark.parametrize("name", NETWORKS)
def test_both_modes_give_the_same_bytes(name: str, rng: np.random.Generator) -> None:
    net, pictures = trained(name, rng)
    with use_kernels("reference"):
        int8 = quantize_network(net, [pictures])
        expected = int8.forward(pictures)
    y = int8.forward(pictures)
    if name == "plain":  # in bytes up to the sums that its logits are
        np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-2 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_its_structure_follows_from_the_layers_alone(name: str, rng: np.random.Generator) -> None:
    net, pictures = trained(name, rng)
    int8 = quantize_network(net, [pictures])
    outline = Sequential(NETWORKS[name]())
    outline.fix_shapes(SHAPE)
    again = int8_network(outline, nodes_of(outline))
    arrays = int8.state()
    assert {key: (value.shape, value.dtype) for key, value in again.state().items()} == {
        key: (value.shape, value.dtype) for key, value in arrays.items()
    }
    for key, variable in again.variables().items():
        variable.value = arrays[key]
    np.testing.assert_array_equal(again.forward(pictures), int8.forward(pictures))


def test_layers_run_with_bytes_where_they_can() -> None:
    def kinds(name: str) -> list[str]:
        net = Sequential(NETWORKS[name](), SHAPE)
        return [layer.name for _, layer in int8_network(net, nodes_of(net)).walk() if layer.name]

    assert kinds("plain") == ["quantize1", "conv1", "pool1", "conv2", "flatten1", "dense1", "dense2"]
    assert kinds("bottlenecks") == [
        "quantize1", "conv1", "residual1", "residual1.body.0", "residual1.body.1", "residual1.body.2", "dequantize1",
        "pool1", "quantize2", "dense1",
    ]  # fmt: skip
    assert kinds("mixed") == [
        "quantize1", "conv1", "silu1", "pool1", "ln1", "quantize2", "residual1", "residual1.body.0",
        "residual1.body.1", "residual1.body.2", "conv2", "pool2",
    ]  # fmt: skip


def test_a_batch_norm_is_folded_into_the_layer_before_it(rng: np.random.Generator) -> None:
    net, pictures = trained("bottlenecks", rng)
    net.convert("float64")
    weight, bias = folded((net.conv1, net.bn1))
    with use_kernels("reference"):
        x = pictures.astype("float64")
        y = ops.conv2d(x, weight, bias, net.conv1.stride, net.conv1.padding)
        np.testing.assert_allclose(y, net.head(2).forward(x), rtol=1e-10, atol=1e-12)


def test_the_network_itself_stays_as_it_is(rng: np.random.Generator) -> None:
    net, pictures = trained("mixed", rng)
    before, y = {name: value.copy() for name, value in net.state().items()}, net.forward(pictures)
    int8 = quantize_network(net, [pictures])
    int8.forward(pictures)
    for name, value in net.state().items():
        np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(net.forward(pictures), y)
    assert [layer.name for layer in net.layers] == ["sequential1", "residual1", "conv1", "pool1"]


def test_it_is_a_quarter_of_the_size_and_zeros_stay_zeros(rng: np.random.Generator) -> None:
    net, pictures = trained("plain", rng)
    weight = net.dense1.weight.value
    weight[np.abs(weight) < np.median(np.abs(weight))] = 0
    int8 = quantize_network(net, [pictures])
    bytes_of = [sum(value.nbytes for value in one.state().values()) for one in (int8, net)]
    assert bytes_of[0] < 0.35 * bytes_of[1]
    assert not int8.dense1.weight.value[weight == 0].any()


def test_a_filter_that_is_next_to_nothing_keeps_its_bias(rng: np.random.Generator) -> None:
    net = Sequential([Conv2D(3, 1), Conv2D(2, 1), GlobalAvgPool2D()], (4, 4, 2))
    net.conv1.weight.value[..., 0] = 1e-30
    net.conv1.weight.value[..., 1] = 0
    net.conv1.bias.value[:] = [3.0, -2.0, 0.0]
    net.conv1.weight.value[..., 2] = 1e-44
    x = rng.standard_normal((6, 4, 4, 2)).astype("float32")
    y = quantize_network(net, [x], "minmax").forward(x)
    np.testing.assert_allclose(y, net.forward(x), atol=0.05)


def test_it_does_not_learn(rng: np.random.Generator) -> None:
    net, pictures = trained("plain", rng)
    int8 = quantize_network(net, [pictures])
    with pytest.raises(UsageError, match="does not learn"):
        int8.forward(pictures, training=True)
    with keep_for_backward():
        y = int8.forward(pictures)
    with pytest.raises(UsageError, match="no gradients"):
        int8.backward(y)
    assert not int8.parameters()


def test_a_network_without_such_layers_is_refused() -> None:
    net = Sequential([MaxPool2D(2), Flatten(), SiLU()], (4, 4, 2))
    with pytest.raises(UsageError, match="no convolution or dense layer"):
        int8_network(net, nodes_of(net))
    with pytest.raises(UsageError, match="needs pictures"):
        quantize_network(net, [])
    with pytest.raises(UsageError, match="unknown calibration 'best': choose one of mse"):
        quantize_network(net, [np.zeros((1, 4, 4, 2), "float32")], "best")


def test_a_network_that_gives_no_numbers_is_refused() -> None:
    net = Sequential([Conv2D(2, 1), Flatten(), Dense(2)], (2, 2, 2))
    good, bad = np.ones((1, 2, 2, 2), "float32"), np.full((1, 2, 2, 2), np.nan, "float32")
    for batches in ([bad], [good, bad], [bad, good]):
        for method in METHODS:
            with pytest.raises(UsageError, match="the input gives no finite numbers"):
                quantize_network(net, batches, method)
    net.conv1.weight.value[:] = np.inf
    with pytest.raises(UsageError, match="conv1 gives no finite numbers"):
        quantize_network(net, [good])


def test_a_network_in_float64_stays_one_between_its_bytes(rng: np.random.Generator) -> None:
    net = Sequential([Conv2D(4, 3), LayerNorm(), Flatten(), Dense(3)], (6, 6, 2), dtype="float64")
    x = rng.standard_normal((5, 6, 6, 2))
    y = quantize_network(net, [x]).forward(x)
    assert y.dtype == "float64"
    np.testing.assert_allclose(y, net.forward(x), atol=0.05 * np.abs(net.forward(x)).max())


def test_an_int8_layer_says_what_it_is() -> None:
    net = Sequential(plain(), SHAPE)
    conv = int8_network(net, nodes_of(net)).conv2
    assert type(conv) is Int8Conv2D and conv.weight.value.dtype == "int8"
    assert repr(conv) == "Int8Conv2D(6, 3×3, stride=1, padding=1)"
    assert conv.operations() == net.conv2.operations()
