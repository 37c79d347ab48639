"""Frozen layers: they stay as they are, the others learn as if nothing had happened, and nothing is kept for them."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    SGD,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    keep_for_backward,
)  # fmt: skip
from tests.comparison import assert_close


def network(dtype="float64", seed=0):
    body = [Conv2D(4, 3, padding=1, bias=False), BatchNorm2D(), ReLU(), Conv2D(4, 3, padding=1), BatchNorm2D()]
    layers = [
        Conv2D(4, 3, padding=1), BatchNorm2D(), ReLU(), Residual(body), ReLU(), MaxPool2D(2), Flatten(),
        Dropout(0.5), Dense(6), ReLU(), Dense(3),
    ]  # fmt: skip
    return Sequential(layers, (6, 6, 2), seed=seed, dtype=dtype)


def step(net, rng, steps=1, lr=0.1):
    """Train on random numbers; return the loss's gradient by parameter after the last step."""
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net.parameters(), lr=lr, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss.forward(net.forward(rng.standard_normal((5, 6, 6, 2)), training=True), rng.integers(3, size=5))
        net.backward(loss.backward(), input_gradient=False)
        gradients = {name: parameter.grad for name, parameter in net.parameters().items()}
        optimizer.step()
    return gradients


@pytest.mark.parametrize("frozen", [("conv1", "bn1", "residual1"), ("residual1",), ("bn1",), ("dense1",)])
def test_what_is_frozen_stays_and_the_rest_learns(frozen, mode, rng):
    net = network()
    for name in frozen:
        getattr(net, name).freeze()
    before = {name: array.copy() for name, array in net.state().items()}
    gradients = step(net, rng, steps=3)
    for name, array in net.state().items():
        if name.partition(".")[0] in frozen:
            np.testing.assert_array_equal(array, before[name], err_msg=name)
            assert gradients.get(name) is None
        else:
            assert not np.array_equal(array, before[name]), name


def test_the_rest_has_the_gradient_of_a_network_with_fixed_statistics(mode, rng):
    """A frozen residual in the middle passes on the gradient of what it computes: that of evaluation."""
    net, other = network(), network()
    for each in (net, other):
        each.dropout1.rate = 0.0
        each.residual1.freeze()
        each.bn1.freeze()
    x, labels, loss = rng.standard_normal((4, 6, 6, 2)), np.array([0, 1, 2, 0]), SoftmaxCrossEntropy()
    loss.forward(net.forward(x, training=True), labels)
    net.backward(loss.backward(), input_gradient=False)
    with keep_for_backward():  # evaluation: batch norm with its running statistics everywhere
        loss.forward(other.forward(x), labels)
    other.backward(loss.backward())
    for name, parameter in net.parameters().items():
        expected = other.parameters()[name].grad
        assert (parameter.grad is None) == (expected is None) == name.startswith(("residual1", "bn1"))
        if parameter.grad is not None:
            assert_close(parameter.grad, expected, what=name)


def test_frozen_layers_before_the_first_that_learns_keep_nothing(mode, rng):
    net = network()
    for layer in net.layers[:6]:
        layer.freeze()
    assert "frozen" in str(net.plan(training=True)).splitlines()[1]
    net.forward(rng.standard_normal((2, 6, 6, 2)), training=True)
    assert net.conv1.x is None and net.bn1.x is None and net.pool1.argmax is None
    assert net.dense1.x is not None
    with pytest.raises(RuntimeError, match="keep_for_backward"):
        net.backward(np.ones((2, 3)))


def test_a_gradient_through_frozen_layers_can_be_asked_for(mode, rng):
    net, free = network(), network()
    net.freeze()
    x, dy = rng.standard_normal((2, 6, 6, 2)), rng.standard_normal((2, 3))
    with keep_for_backward():
        net.forward(x)
        free.forward(x)
    assert_close(net.backward(dy), free.backward(dy))


def test_thawed_layers_learn_again(rng):
    net = network()
    net.conv1.freeze()
    step(net, rng)
    net.conv1.freeze(False)
    before = net.conv1.weight.value.copy()
    step(net, rng)
    assert not np.array_equal(net.conv1.weight.value, before)


def test_the_tail_is_the_same_layers(mode, rng):
    net = network("float32")
    tail = net.tail(6)
    assert list(tail.parameters()) == ["dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"]
    x = rng.standard_normal((3, 6, 6, 2), dtype="float32")
    features = x
    for layer in net.layers[:6]:
        features = layer.forward(features)
    np.testing.assert_allclose(tail.forward(features), net.forward(x), rtol=1e-5, atol=1e-6)
    tail.dense2.bias.value += 1
    np.testing.assert_allclose(tail.forward(features), net.forward(x), rtol=1e-5, atol=1e-6)
