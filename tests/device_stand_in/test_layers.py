"""Every layer, both optimizers and whole training steps run on the stand-in for a device, bit by bit as on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn import SoftmaxCrossEntropy, keep_for_backward, models, use_kernels
from minicnn.layers import Layer
from tests.device_stand_in import DeviceArray
from tests.layers.cases import LAYERS, batch, built
from tests.ops.updates import OPTIMIZERS


def move(layer: Layer) -> Layer:
    """Put all parameters and states of `layer` on the stand-in device."""
    for variable in layer.variables().values():
        variable.value = DeviceArray(variable.value)
    return layer


def assert_on_device_and_equal(got, expected, what=""):
    assert isinstance(got, DeviceArray), f"{what}: a {type(got).__name__} came back from the device"
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.get(), expected, err_msg=what)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, dtype, rng):
    on_host, on_device = built(name, dtype), move(built(name, dtype))
    x = batch(name, rng, dtype)
    dy = rng.standard_normal((2, *on_host.output_shape)).astype(dtype)
    with use_kernels("reference"):
        for training in (False, True):
            with keep_for_backward():
                y = on_host.forward(x, training)
                assert_on_device_and_equal(on_device.forward(DeviceArray(x), training), y, "y")
            dx = on_host.backward(dy)
            assert_on_device_and_equal(on_device.backward(DeviceArray(dy)), dx, "dx")
    for key, parameter in on_host.parameters().items():
        assert_on_device_and_equal(on_device.parameters()[key].grad, parameter.grad, key)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_steps(optimizer, dtype, rng):
    kind, settings = OPTIMIZERS[optimizer]

    def make_optimizer(net):
        return getattr(minicnn, kind)(net.parameters(), **settings)

    on_host, on_device = (models.build("cifar_cnn", (18, 18, 3), 5, dtype=dtype) for _ in range(2))
    move(on_device)
    runs = []
    for net, to in ((on_host, np.asarray), (on_device, DeviceArray)):
        rng = np.random.default_rng(3)
        loss, updates = SoftmaxCrossEntropy(label_smoothing=0.1), make_optimizer(net)
        losses = []
        with use_kernels("reference"):
            for _ in range(3):
                x, labels = to(rng.standard_normal((4, 18, 18, 3)).astype(dtype)), to(rng.integers(5, size=4))
                losses.append(loss.forward(net.forward(x, training=True), labels))
                updates.zero_grad()
                net.backward(loss.backward(), input_gradient=False)
                updates.step()
        assert all(isinstance(value, DeviceArray) == (net is on_device) for value in losses)
        runs.append([float(value) for value in losses])
        for name, array in updates.state_arrays().items():
            assert isinstance(array, np.ndarray), f"{name} must come to the host for a checkpoint"
    assert runs[0] == runs[1]
    for name, parameter in on_host.parameters().items():
        assert_on_device_and_equal(on_device.parameters()[name].value, parameter.value, name)


def test_weights_are_saved_from_the_device(tmp_path):
    on_host, on_device = built("Sequential 0"), move(built("Sequential 0"))
    on_device.save(tmp_path / "net.safetensors")
    fresh = built("Sequential 0", seed=9)
    fresh.load(tmp_path / "net.safetensors")
    for name, parameter in on_host.parameters().items():
        np.testing.assert_array_equal(fresh.parameters()[name].value, parameter.value)
