"""The gradients of a trace by differences: equal to backward's where that is right, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    trace,
    use_kernels,
)
from minicnn.inspection.derivatives import Differences, derivative, derivatives, is_gradient, seconds_for_all

LABELS = np.array([1, 4])


def network() -> Sequential:
    body = [Conv2D(4, 3, padding="same", groups=2), BatchNorm2D(), ReLU()]
    wider = Residual(Conv2D(6, 1), shortcut=[Conv2D(6, 1)])
    layers = [Conv2D(4, 3), ReLU(), Residual(body), wider, MaxPool2D(2), Flatten(), Dropout(0.3), Dense(5)]
    return Sequential(layers, (8, 7, 3), seed=3, dtype="float64")


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((2, 8, 7, 3))


@pytest.mark.parametrize("training", [True, False])
def test_every_gradient_agrees_with_differences(x, training):
    net = network()
    t = trace(net, x, LABELS, training=training)
    found = derivatives(t, Differences(net, x, LABELS, training))
    gradients = {traced.name for traced in t if is_gradient(t, traced.name)}
    of_groups = {f"residual1.body.conv1.{name}" for name in ("dcolumns", "dcolumns2", "col2im.dx", "col2im.dx2")}
    assert gradients - set(found) == of_groups and len(found) >= 40
    assert {"dlogits", "conv1.dx", "conv1.dcolumns", "residual1.body.bn1.dweight", "residual2.dx_body"} <= set(found)
    for name, one in found.items():
        assert one.known, name
        assert one.backward == t[name].value[one.index]
        assert one.differences == pytest.approx(one.backward, rel=1e-5, abs=1e-12), name


def test_any_number_can_be_asked_for(x):
    net = network()
    t = trace(net, x, LABELS)
    differences = Differences(net, x, LABELS)
    for name, index in (("conv1.dweight", (0, 2, 1, 3)), ("residual1.dx", (1, 2, 3, 0)), ("conv1.dz", (0, 1, 1, 1))):
        one = derivative(t, differences, name, index)
        assert one.known and one.index == index
        assert one.differences == pytest.approx(float(t[name].value[index]), rel=1e-5, abs=1e-10)
    assert derivative(t, differences, "conv1.y", (0, 0, 0, 0)) is None


def test_differences_in_float64_belong_to_a_network_in_float32(x):
    net = network()
    net.convert("float32")
    narrow = x.astype("float32")
    t = trace(net, narrow, LABELS, training=False)
    one = derivatives(t, Differences(net, narrow, LABELS, training=False))["conv1.dweight"]
    assert one.known and one.differences == pytest.approx(one.backward, rel=1e-4)
    assert net.dtype == "float32" and net.conv1.weight.value.dtype == "float32"


def test_the_network_stays_as_it_is(x):
    net, alike = network(), network()
    Differences(net, x, LABELS).of("conv1.dweight", (0, 0, 0, 0))
    for (name, array), (_, other) in zip(net.state().items(), alike.state().items(), strict=True):
        np.testing.assert_array_equal(array, other, err_msg=name)
    assert "forward" not in vars(net.conv1)
    assert net.dropout1.rng.generator.bit_generator.state == alike.dropout1.rng.generator.bit_generator.state


class Halved(Layer):
    """A layer whose backward pass forgets a factor."""

    def resolve(self, input_shape):
        self.factor = Parameter.declared(input_shape[-1:], "ones")
        return input_shape

    def forward(self, x, training=False):
        self.keep(training, x=x)
        return x * self.factor.value / 2

    def backward(self, dy, input_gradient=True):
        self.factor.accumulate((dy * self.take("x")).sum(axis=(0, 1, 2)))
        return dy * self.factor.value / 2

    def operations(self):
        return self.output_numbers()


def test_a_wrong_gradient_stands_beside_the_right_one(x):
    net = Sequential([Conv2D(4, 3), Halved(), Flatten(), Dense(5)], (8, 7, 3), seed=3, dtype="float64")
    t = trace(net, x, LABELS)
    differences = Differences(net, x, LABELS)
    right, known = differences.of("halved1.dfactor", (2,))
    assert known and right != 0
    gradient = grad_of(net, x)
    assert gradient[2] == pytest.approx(2 * right, rel=1e-6)
    assert derivatives(t, differences)["conv1.dweight"].known


def grad_of(net, x):
    """Return what backward says of `factor`: a trace sees no layer that computes without an operation."""
    loss = SoftmaxCrossEntropy()
    with use_kernels("reference"):
        loss.forward(net.forward(x, training=True), LABELS)
        net.backward(loss.backward())
    return net.halved1.factor.grad


def test_a_kink_is_told_and_another_number_is_taken():
    """Of two equal largest pixels, max-pooling's gradient goes to the first; there is no derivative there."""
    net = Sequential([MaxPool2D(2), Flatten(), Dense(3)], (2, 4, 1), seed=0, dtype="float64")
    net.dense1.weight.value[...] = [[0.1, 0.2, 0.9], [0.0, 0.2, 0.1]]
    x = np.array([[[[5.0], [5.0], [3.0], [1.0]], [[1.0], [2.0], [0.0], [2.0]]]])
    t = trace(net, x, np.array([0]))
    differences = Differences(net, x, np.array([0]))
    kink = derivative(t, differences, "pool1.dx", (0, 0, 0, 0))
    assert not kink.known and abs(kink.backward) > 0.1
    found = derivatives(t, differences)["pool1.dx"]
    assert found.known and found.index == (0, 0, 2, 0)
    assert found.differences == pytest.approx(found.backward, rel=1e-6)


def test_what_it_takes_is_known_beforehand(x):
    net = network()
    t = trace(net, x, LABELS)
    assert seconds_for_all(t, Differences(net, x, LABELS)) > 0
