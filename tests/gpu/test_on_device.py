"""The whole ladder on a real GPU: gradients, drift against the CPU, checkpoints, memory, feeding, and a run.

    pytest -m gpu        # with the kernels' own tests, in tests/kernels/gpu

Numbers are compared in full float32: CUPY_TF32 must not be set.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from minicnn import gradcheck, models, ops, use_kernels
from minicnn.backend import to_device, to_numpy
from minicnn.data import UncutBatch
from minicnn.devices import device_session, require_cupy, tf32_products
from minicnn.errors import DeviceError, UsageError
from minicnn.inspection.checks import layer_cases
from minicnn.layers import Sequential
from minicnn.training.feeding import feed
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.normalization import Normalization
from minicnn.training.optimizers import SGD, Adam

pytestmark = pytest.mark.gpu

SIZES = {"cnn3": 32, "cnn2": 20, "cifar_cnn": 24, "torch_cnn": 16, "simple_cnn": 96, "dcnn5": 24}  # pixels
CLASSES = 5


@pytest.fixture(params=SIZES)
def model(request):
    return request.param


def build(model: str, dtype: str = "float32") -> Sequential:
    return models.build(model, (SIZES[model], SIZES[model], 3), classes=CLASSES, seed=1, dtype=dtype)


def batch(model: str, rng: np.random.Generator, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((size, SIZES[model], SIZES[model], 3)), rng.integers(CLASSES, size=size)


def relative_difference(got, expected) -> float:
    got, expected = to_numpy(got), to_numpy(expected)
    return float(np.abs(got - expected).max() / np.abs(expected).max())


# ---- gradients ------------------------------------------------------------------------------------------------------


def test_gradients_of_every_network(model):
    report = gradcheck(build(model), (SIZES[model], SIZES[model], 3), loss=SoftmaxCrossEntropy(0.1), device="gpu")
    assert report.passed, report.describe()


@pytest.mark.parametrize("layer, shape", layer_cases(), ids=repr)
def test_gradients_of_every_layer(layer, shape):
    report = gradcheck(layer, shape, device="gpu")
    assert report.passed, report.describe()


# ---- drift ----------------------------------------------------------------------------------------------------------


def test_every_layer_stays_close_to_the_cpu(model, rng):
    """Both begin with the same picture; what differs adds up from layer to layer, forward and back again."""
    exact, net = build(model, "float64"), build(model)
    for name, parameter in exact.parameters().items():
        parameter.value = net.parameters()[name].value.astype("float64")
    net.to("gpu")
    x, _ = batch(model, rng)
    exact_y, y = x.astype("float32").astype("float64"), to_device(x.astype("float32"), "gpu")
    with use_kernels("reference"):
        outputs = []
        for layer in exact.layers:
            exact_y = layer.forward(exact_y, training=True)
            outputs.append(exact_y)
    for layer, expected in zip(net.layers, outputs, strict=True):
        y = layer.forward(y, training=True)
        assert relative_difference(y, expected) < 1e-5, f"forward through {layer.name}"
    exact_dy = rng.standard_normal(exact_y.shape)
    dy = to_device(exact_dy.astype("float32"), "gpu")
    for exact_layer, layer in zip(reversed(exact.layers), reversed(net.layers), strict=True):
        with use_kernels("reference"):
            exact_dy = exact_layer.backward(exact_dy)
        dy = layer.backward(dy)
        # A maximum that only just is one in float32 may be another pixel in float64: a few gradients move by a pixel.
        far = np.abs(to_numpy(dy) - exact_dy) > 1e-4 * np.abs(exact_dy).max()
        assert far.mean() < 1e-3, f"backward through {layer.name}"


def train(model: str, steps: int, device: str, make_optimizer) -> tuple[Sequential, list[float]]:
    """Learn to tell brightness patterns apart, on the same batches on every device."""
    rng = np.random.default_rng(3)
    patterns = rng.standard_normal((CLASSES, SIZES[model], SIZES[model], 3))
    net = build(model).to(device)
    optimizer, loss, losses = make_optimizer(net.parameters()), SoftmaxCrossEntropy(), []
    for _ in range(steps):
        labels = rng.integers(CLASSES, size=16)
        x = (patterns[labels] + rng.standard_normal((16, *net.input_shape))).astype("float32")
        logits = net.forward(to_device(x, device), training=True)
        losses.append(loss.forward(logits, to_device(labels, device)))
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
    return net, [float(value) for value in losses]


def test_one_step_ends_with_the_cpus_weights(model):
    """Float32 within 1e-4 of the network's largest weight after one step of SGD, by the formulas on the CPU."""
    with use_kernels("reference"):
        host, expected = train(model, 1, "cpu", lambda p: SGD(p, lr=0.01, momentum=0.9))
    device, losses = train(model, 1, "gpu", lambda p: SGD(p, lr=0.01, momentum=0.9))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    largest = max(np.abs(parameter.value).max() for parameter in host.parameters().values())
    for name, parameter in device.parameters().items():
        difference = np.abs(to_numpy(parameter.value) - host.parameters()[name].value).max()
        assert difference < 1e-4 * largest, name


@pytest.mark.parametrize("make_optimizer", [lambda p: SGD(p, lr=0.005, momentum=0.9), Adam], ids=["sgd", "adam"])
def test_a_hundred_steps_learn_the_same(make_optimizer):
    with use_kernels("reference"):
        _, on_host = train("cifar_cnn", 100, "cpu", make_optimizer)
    _, on_device = train("cifar_cnn", 100, "gpu", make_optimizer)
    np.testing.assert_allclose(on_device[:10], on_host[:10], rtol=1e-3)
    assert on_host[-1] < on_host[0] / 3 and on_device[-1] < on_device[0] / 3
    assert abs(np.mean(on_device[-10:]) - np.mean(on_host[-10:])) < 0.05 * on_host[0]


def test_the_same_seed_gives_the_same_bits(model):
    first, losses = train(model, 3, "gpu", Adam)
    second, again = train(model, 3, "gpu", Adam)
    assert losses == again
    for name, parameter in first.parameters().items():
        np.testing.assert_array_equal(to_numpy(parameter.value), to_numpy(second.parameters()[name].value))


def test_tf32_rounds_the_factors_of_products_in_its_block_alone():
    cupy = require_cupy()
    if int(cupy.cuda.Device().compute_capability) < 80:
        pytest.skip("only cards from Ampere on have TF32")
    # TF32 has no bit for 2⁻¹². So large that cuBLAS does use its tensor cores.
    x = cupy.full((1024, 1024), 1 + 2**-12, dtype="float32")
    with tf32_products(True):
        rounded = x @ x
    exact = x @ x
    assert float(abs(rounded - 1024).max()) == 0
    assert float(exact.min()) > 1024


# ---- checkpoints, memory, mistakes ----------------------------------------------------------------------------------


def test_weights_and_optimizers_move_between_devices(tmp_path):
    net, _ = train("cnn2", 3, "gpu", Adam)
    net.save(tmp_path / "net.safetensors")
    host = build("cnn2")
    host.load(tmp_path / "net.safetensors")
    host.save(tmp_path / "again.safetensors")
    back = build("cnn2").to("gpu")
    back.load(tmp_path / "again.safetensors")
    x = np.random.default_rng(0).standard_normal((2, *net.input_shape)).astype("float32")
    logits = to_numpy(net.forward(to_device(x, "gpu")))
    np.testing.assert_array_equal(to_numpy(back.forward(to_device(x, "gpu"))), logits)
    assert relative_difference(host.forward(x), logits) < 1e-5

    on_device, on_host = Adam(net.parameters()), Adam(host.parameters())
    memory = {name: np.random.default_rng(1).random(a.shape, a.dtype) for name, a in on_host.state_arrays().items()}
    on_device.load_state(memory, steps=7)
    for name, array in on_device.state_arrays().items():
        np.testing.assert_array_equal(array, memory[name])


def test_too_large_a_batch_is_one_clear_line():
    cupy = require_cupy()
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    net = models.build("cnn2", (64, 64, 3), seed=0).to("gpu")
    limit = pool.get_limit()
    pool.set_limit(size=pool.total_bytes() + 32 * 2**20)
    try:
        expected = r"a batch of 512 images .* MiB were free; .*--batch-size"
        with pytest.raises(UsageError, match=expected) as caught, device_session("gpu", batch_size=512):
            net.forward(cupy.zeros((512, 64, 64, 3), dtype="float32"))
    finally:
        pool.set_limit(size=limit)
    assert "\n" not in str(caught.value)


def test_arrays_of_two_devices_are_refused(rng):
    net = build("cnn2").to("gpu")
    with pytest.raises(DeviceError, match="on the cpu"):
        net.forward(rng.standard_normal((1, *net.input_shape)).astype("float32"))


# ---- feeding, and a run ---------------------------------------------------------------------------------------------


class Batches:
    """A loader of large batches that comes without work, so that uploads run into each other if they can."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        sizes = [64] * 20 + [17]
        self.given = [
            UncutBatch(
                rng.integers(256, size=(n, 128, 128, 3), dtype=np.uint8),
                np.column_stack([rng.integers(-16, 17, size=(n, 2)), rng.integers(2, size=n)]).astype(np.int32),
                (128, 128),
                rng.integers(9, size=n),
            )
            for n in sizes
        ]

    def uncut(self, number: int):
        yield from self.given


def test_every_batch_arrives_whole():
    loader, normalization = Batches(), Normalization((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    arrived = list(feed(loader, 0, normalization, device="gpu"))
    assert len(arrived) == len(loader.given)
    for (x, labels), batch in zip(arrived, loader.given, strict=True):
        images = ops.crop_and_flip(batch.images, batch.windows, batch.size)
        np.testing.assert_allclose(to_numpy(x), normalization(images), atol=1e-6)
        np.testing.assert_array_equal(to_numpy(labels), batch.labels)


def test_a_run_on_the_gpu_is_evaluated_the_same_on_the_cpu(tmp_path):
    run = str(tmp_path / "run")
    minicnn("train", "--epochs", "2", "--device", "gpu", "--out", run)
    on_device = json.loads(minicnn("evaluate", run, "--device", "gpu", "--json"))
    on_host = json.loads(minicnn("evaluate", run, "--device", "cpu", "--json"))
    assert on_device["images"] == on_host["images"]
    assert abs(on_device["accuracy"] - on_host["accuracy"]) <= 2 / on_host["images"]
    assert abs(on_device["loss"] - on_host["loss"]) < 1e-3


def minicnn(*arguments: str) -> str:
    command = [sys.executable, "-m", "minicnn", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout
