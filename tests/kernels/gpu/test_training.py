"""Whole training steps with the GPU's kernels: layers, blocks, loss and optimizers unchanged."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import pytest

from minicnn import models, ops, use_kernels
from minicnn.errors import ShapeError, UsageError
from minicnn.kernels.gpu import convolution, implicit_gemm
from minicnn.kernels.gpu.algorithms import force_algorithm
from minicnn.layers import (
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.optimizers import SGD, Adam, Optimizer
from tests.device_stand_in import DeviceArray, namespace
from tests.kernels.gpu import emulator


def every_layer(dtype: str) -> Sequential:
    layers = [
        Conv2D(4, 3, padding="same"), ReLU(), MaxPool2D(2), Conv2D(5, 3, stride=2, padding=1), ReLU(), Conv2D(3, 1),
        Tanh(), AvgPool2D(2), Flatten(), Dropout(0.3), Dense(8), Sigmoid(), Dense(4),
    ]  # fmt: skip
    return Sequential(layers, input_shape=(13, 12, 3), seed=1, dtype=dtype)


def cifar_cnn(dtype: str) -> Sequential:
    net = models.build("cifar_cnn", input_shape=(20, 20, 3), classes=4, seed=1)
    net.convert(dtype)
    return net


def losses_of_three_steps(net: Sequential, make_optimizer, dtype: str, place) -> list[float]:
    for parameter in net.parameters().values():
        parameter.value = place(parameter.value)
    optimizer: Optimizer = make_optimizer(net.parameters())
    loss, values = SoftmaxCrossEntropy(label_smoothing=0.1), []
    rng = np.random.default_rng(2)
    for _ in range(3):
        pixels = place(rng.integers(256, size=(3, *net.input_shape), dtype=np.uint8))
        x = ops.normalize_pixels(pixels, (0.5, 0.5, 0.5), (0.2, 0.3, 0.4), dtype)
        logits = net.forward(x, training=True)
        values.append(float(loss.forward(logits, place(rng.integers(4, size=3)))))
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
    return values


@pytest.mark.parametrize(
    "make_optimizer",
    [lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3), lambda p: Adam(p, lr=1e-2)],
    ids=["sgd", "adam"],
)
@pytest.mark.parametrize("make_net", [every_layer, cifar_cnn])
def test_three_steps_end_with_the_same_weights(make_net, make_optimizer, dtype, device):
    host, net = make_net(dtype), make_net(dtype)
    with use_kernels("reference"):
        expected = losses_of_three_steps(host, make_optimizer, dtype, np.asarray)
    emulator.launched.clear()
    got = losses_of_three_steps(net, make_optimizer, dtype, device.array)
    if device.Array is DeviceArray:
        assert {"im2col", "col2im", "bias_relu_max_pool", "max_pool_backward"} <= emulator.launched
    tolerance = {"float32": 1e-4, "float64": 1e-11}[dtype]
    np.testing.assert_allclose(got, expected, rtol=tolerance)
    for name, parameter in net.parameters().items():
        assert isinstance(parameter.value, device.Array) and parameter.value.dtype == dtype
        # Adam divides by the gradient's own size: where that is zero but for rounding, the step's sign is arbitrary.
        assert_mostly_close(parameter.value.get(), host.parameters()[name].value, tolerance, name)


@pytest.mark.parametrize("make_net", [every_layer, cifar_cnn])
def test_three_steps_in_tf32_end_near_the_same_weights(make_net, device):
    """Every convolution by implicit GEMM: each product is off by up to 2⁻¹⁰, so the weights are, by some of that."""
    host, net = make_net("float32"), make_net("float32")

    def make_optimizer(parameters):
        return SGD(parameters, lr=0.05, momentum=0.9)

    with use_kernels("reference"):
        expected = losses_of_three_steps(host, make_optimizer, "float32", np.asarray)
    emulator.launched.clear()
    with force_algorithm("implicit"):
        got = losses_of_three_steps(net, make_optimizer, "float32", device.array)
    if device.Array is DeviceArray:
        assert {"convolve_32", "convolve_backward_32", "bias_relu_max_pool"} <= emulator.launched
        assert "im2col" not in emulator.launched
    np.testing.assert_allclose(got, expected, rtol=2e-3)
    for name, parameter in net.parameters().items():
        assert_mostly_close(parameter.value.get(), host.parameters()[name].value, 5e-3, name)


def assert_mostly_close(got: np.ndarray, expected: np.ndarray, tolerance: float, what: str) -> None:
    far = np.abs(got - expected) > tolerance * np.abs(expected).max()
    assert far.mean() <= (0.002 if tolerance > 1e-6 else 0), f"{what}: {far.sum()} of {far.size} weights differ"


@pytest.mark.parametrize("images", [1, 2, 5])
def test_a_small_workspace_changes_nothing(images, device, monkeypatch, rng):
    """Chunks of one, two (the last one smaller) and all images give the results of the whole batch."""
    monkeypatch.setattr(convolution, "chunk_size", lambda *sizes: images)
    x, weight, bias = (rng.standard_normal(shape) for shape in ((5, 9, 8, 3), (3, 3, 3, 4), (4,)))
    for stride, padding, pool in (
        ((1, 1), (0, 0), Pooling((2, 2), (2, 2))),
        ((2, 1), ((1, 0), (2, 1)), None),
    ):
        settings = Convolution(stride, padding), Epilogue(True, pool)
        y, argmax = ops.conv_block.reference(x, weight, bias, *settings)
        dy = rng.standard_normal(y.shape)
        right = ops.conv_block_backward.reference(dy, x, weight, y, argmax, *settings)
        arrays = [None if a is None else device.array(a) for a in (dy, x, weight, y, argmax)]
        ours_y, ours_argmax = ops.conv_block(*arrays[1:3], device.array(bias), *settings)
        np.testing.assert_allclose(ours_y.get(), y, atol=1e-12)
        if argmax is not None:
            np.testing.assert_array_equal(ours_argmax.get(), argmax)
        ours = ops.conv_block_backward(*arrays, *settings)
        for mine, theirs in zip(ours, right, strict=True):
            np.testing.assert_allclose(mine.get(), theirs, atol=1e-11)


def test_the_workspace_bounds_the_chunk(monkeypatch):
    assert convolution.workspace() == 512 * 2**20
    monkeypatch.setenv("MINICNN_GPU_WORKSPACE", "1")
    assert convolution.chunk_size(100, rows=32, length=1024, itemsize=4) == 8  # 128 KiB an image
    assert convolution.chunk_size(3, rows=32, length=1024, itemsize=4) == 3
    assert convolution.chunk_size(100, rows=2**20, length=64, itemsize=4) == 1  # no image is split
    monkeypatch.setenv("MINICNN_GPU_WORKSPACE", "10000000")
    assert convolution.chunk_size(100, rows=2**20, length=100, itemsize=4) == 20  # the kernels count in 32 bits


class Memory:
    """What arrays from `empty` hold, and the most that they have ever held, in bytes."""

    def __init__(self) -> None:
        self.held = self.most = 0

    def take(self, array: DeviceArray) -> None:
        self.held += array.nbytes
        self.most = max(self.most, self.held)
        weakref.finalize(array._host, self.give_back, array.nbytes)

    def give_back(self, size: int) -> None:
        self.held -= size

    def above_results_of(self, function: Callable[..., tuple], *arguments: object) -> int:
        """Return the most that a call held at once, less what is still held when it has returned its results."""
        self.most = self.held
        _results = function(*arguments)
        return self.most - self.held


@pytest.fixture
def memory(emulated_gpu, monkeypatch) -> Memory:
    counted, empty = Memory(), namespace.empty

    def counting(*arguments, **settings):
        array = empty(*arguments, **settings)
        counted.take(array)
        return array

    monkeypatch.setattr(namespace, "empty", counting)
    return counted


@pytest.mark.parametrize(
    "algorithm, kernel, numbers",  # numbers: of the matrix of windows, a window
    [("columns", (3, 3), 36), ("columns", (1, 1), 0), ("implicit", (3, 3), 0)],
)
def test_what_is_made_for_a_chunk_fits_into_the_workspace(algorithm, kernel, numbers, memory, monkeypatch, rng):
    """One byte is missing for three images of eight: their windows, and the output that the block holds in between."""
    x, weight, bias = (
        DeviceArray(rng.standard_normal(s).astype("float32")) for s in ((8, 16, 14, 4), (*kernel, 4, 8), 8)
    )
    image = (17 - kernel[0]) * (15 - kernel[1]) * 4  # bytes, times what there is of each window
    sums = 2 * weight.nbytes if algorithm == "implicit" else 0  # dW of one piece, and of all
    monkeypatch.setattr(implicit_gemm, "BLOCKS", 1)
    for pool in (None, Pooling((2, 2), (2, 2))):
        settings = Convolution(), Epilogue(True, pool)
        y, argmax = ops.conv_block(x, weight, bias, *settings)
        for backward in (False, True):
            each = image * (numbers + (8 if pool or backward else 0))
            size = max(1, 3 * each - 1)
            monkeypatch.setattr(convolution, "workspace", lambda size=size: size)
            with force_algorithm(algorithm):
                if backward:
                    used = memory.above_results_of(ops.conv_block_backward, y, x, weight, y, argmax, *settings) - sums
                else:
                    used = memory.above_results_of(ops.conv_block, x, weight, bias, *settings)
            assert 2 * each - sums <= used <= size


@pytest.mark.parametrize("setting", ["0", "-1", "many", "1.5", ""])
def test_a_workspace_that_is_no_number_is_refused(setting, monkeypatch):
    monkeypatch.setenv("MINICNN_GPU_WORKSPACE", setting)
    with pytest.raises(UsageError, match="MINICNN_GPU_WORKSPACE"):
        convolution.workspace()


def test_an_argmax_of_another_shape_is_refused(device, rng):
    x, weight, bias = (rng.standard_normal(shape) for shape in ((1, 8, 8, 3), (3, 3, 3, 4), (4,)))
    settings = Convolution(), Epilogue(True, Pooling((2, 2), (2, 2)))
    y, argmax = ops.conv_block.reference(x, weight, bias, *settings)
    for wrong in (argmax[:, :2], None):
        arrays = [None if a is None else device.array(a) for a in (y, x, weight, y, wrong)]
        with pytest.raises(ShapeError, match="argmax"):
            ops.conv_block_backward(*arrays, *settings)
