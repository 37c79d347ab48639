"""Wherever arrays of two devices can meet, one line says which of them is where."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from minicnn import SGD, Adam, SoftmaxCrossEntropy, ops, use_kernels
from minicnn.errors import DeviceError
from minicnn.layers import Parameter
from minicnn.training.metrics import rank_of_label
from tests.device_stand_in import DeviceArray
from tests.layers.cases import LAYERS, batch, built
from tests.ops.calls import CALLS

OF_TWO_DEVICES = "got arrays of two devices: "


def places(name):
    """Return the places and names of an operation's arrays."""
    arguments = CALLS[name](np.random.default_rng(0), "float32")
    names = list(inspect.signature(getattr(ops, name)).parameters)
    return [(place, names[place]) for place, a in enumerate(arguments) if isinstance(a, np.ndarray)]


@pytest.mark.parametrize("call", ["fast", "reference", ".reference"])
@pytest.mark.parametrize(
    ("name", "moved"), [(name, place) for name in CALLS for place, _ in places(name) if len(places(name)) > 1]
)
def test_every_operation_refuses_each_array_that_is_elsewhere(name, moved, call, rng):
    operation = getattr(ops, name)
    arguments = list(CALLS[name](rng, "float32"))
    arguments[moved] = DeviceArray(arguments[moved])
    expected = ", ".join(f"{array} on the {'gpu' if place == moved else 'cpu'}" for place, array in places(name))
    with use_kernels(call.removeprefix(".")), pytest.raises(DeviceError) as caught:
        (operation.reference if call == ".reference" else operation)(*arguments)
    assert str(caught.value) == f"{name} {OF_TWO_DEVICES}{expected}; move them together with to_device"


@pytest.mark.parametrize("name", [name for name in LAYERS if built(name).parameters()])
def test_a_picture_that_is_not_where_the_weights_are(name, mode, rng):
    layer = built(name)
    with pytest.raises(DeviceError, match=OF_TWO_DEVICES + "x on the gpu, weight on the cpu"):
        layer.forward(DeviceArray(batch(name, rng)))


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if not name.startswith(("Flatten", "AvgPool2D", "GlobalAvgPool2D"))]
)
def test_a_gradient_that_is_not_where_the_picture_was(name, mode, rng):
    layer = built(name)  # the others keep no array from forward: their gradient meets none
    y = layer.forward(batch(name, rng), training=True)
    with pytest.raises(DeviceError, match=OF_TWO_DEVICES + ".*dy on the gpu.* on the cpu"):
        layer.backward(DeviceArray(y))


def test_labels_that_are_not_where_the_logits_are(rng):
    logits, labels = rng.standard_normal((4, 3)), rng.integers(3, size=4)
    with pytest.raises(DeviceError, match="logits on the gpu, labels on the cpu"):
        SoftmaxCrossEntropy().forward(DeviceArray(logits), labels)
    with pytest.raises(DeviceError, match="logits on the cpu, labels on the gpu"):
        rank_of_label(logits, DeviceArray(labels))


@pytest.mark.parametrize("make", [lambda p: SGD(p, momentum=0.9), Adam], ids=["sgd", "adam"])
def test_a_weight_that_left_its_optimizer_behind(make):
    weight = Parameter(np.ones(3))
    optimizer = make({"weight": weight})
    weight.value, weight.grad = DeviceArray(weight.value), DeviceArray(np.ones(3))
    with pytest.raises(DeviceError, match=r"value on the gpu, grad on the gpu, (velocity|mean) on the cpu"):
        optimizer.step()


def test_gradients_that_do_not_meet():
    host, device = np.ones(3), DeviceArray(np.ones(3))
    with pytest.raises(DeviceError, match=r"a parameter got .*: value on the cpu, gradient on the gpu"):
        Parameter(host).accumulate(device)
    moved = Parameter(host)
    moved.accumulate(host.copy())
    moved.value = device
    with pytest.raises(DeviceError, match="value on the gpu, grad on the cpu, gradient on the gpu"):
        moved.accumulate(device)
    moved.grad = None
    moved.accumulate(DeviceArray(host))
    moved.accumulate(device)
    np.testing.assert_array_equal(moved.grad.get(), [2, 2, 2])
