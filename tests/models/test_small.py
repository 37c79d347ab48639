"""The small networks: their numbers as their docstrings say them, and PyTorch's results with the same weights."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
import pytest

from minicnn import SoftmaxCrossEntropy, models
from minicnn.layers import Conv2D, Dense

WIDTHS = {"small32": (32, 128, 256), "small32_wide": (64, 256, 256)}
SIDES = {"small32": (32,), "small32_wide": (32,), "small64": (64, 128)}
MULTIPLICATIONS = {  # counted by hand: pixels · 9 · channels · filters of each convolution, and the dense layer's
    ("small32", 32): 31**2 * (4 * 3 * 24 + 9 * 24 * 32)
    + 15**2 * 9 * (32 * 32 + 32 * 128)
    + 7**2 * 9 * (128 * 128 + 128 * 256)
    + 3**2 * 9 * 256 * 256
    + 2560,
    ("small32_wide", 32): 31**2 * (4 * 3 * 24 + 9 * 24 * 64)
    + 15**2 * 9 * (64 * 64 + 64 * 256)
    + 7**2 * 9 * (256 * 256 + 256 * 256)
    + 3**2 * 9 * 256 * 256
    + 2560,
    ("small64", 64): 4096 * 9 * 3 * 32
    + 1024 * 9 * 32 * 64
    + 256 * 9 * (2 * 64 * 64 + 64 * 128)
    + 64 * 9 * (2 * 128 * 128 + 128 * 256)
    + 16 * 9 * 2 * 256 * 256
    + 2560,
}
WEIGHTS = {
    "small32": 4 * 3 * 24
    + 24
    + 9 * (24 * 32 + 32**2 + 32 * 128 + 128**2 + 128 * 256 + 256**2)
    + 2 * 2 * (32 + 128 + 256)
    + 2570,
    "small32_wide": 4 * 3 * 24
    + 24
    + 9 * (24 * 64 + 64**2 + 64 * 256 + 256**2 + 256**2 + 256**2)
    + 2 * 2 * (64 + 256 + 256)
    + 2570,
    "small64": 9 * (3 * 32 + 32 * 64 + 2 * 64**2 + 64 * 128 + 2 * 128**2 + 128 * 256 + 2 * 256**2)
    + 2 * (32 + 3 * 64 + 3 * 128 + 3 * 256)
    + 2570,
}


def multiplications(net):
    layers = [layer for _, layer in net.walk()]
    convolutions = [prod(c.output_shape[:2]) * prod(c.weight.shape) for c in layers if isinstance(c, Conv2D)]
    return sum(convolutions) + sum(prod(dense.weight.shape) for dense in layers if isinstance(dense, Dense))


@pytest.mark.parametrize("name", SIDES)
def test_numbers_are_those_counted_by_hand_and_in_the_docstring(name):
    text = models.known(name).layers.__doc__
    net = models.outline(name)
    assert sum(prod(parameter.shape) for parameter in net.parameters().values()) == WEIGHTS[name]
    assert f"{WEIGHTS[name]:,} weights" in text
    assert multiplications(net) == MULTIPLICATIONS[name, SIDES[name][0]]
    for side in SIDES[name]:
        millions = round(multiplications(models.outline(name, (side, side, 3))) / 1e6)
        assert str(millions) in text


@pytest.mark.parametrize("name", SIDES)
def test_every_convolution_that_halves_runs_as_one_with_its_pool_and_every_norm_with_its_relu(name):
    steps = [line.strip().split("  ")[0] for line in models.build(name).plan(training=True).lines()]
    assert not [step for step in steps if step.startswith(("relu", "bn")) and "+" not in step]
    pools = [step for step in steps if "pool" in step][:-1]  # but for the global average
    assert len(pools) == 3 + (name == "small64")
    assert all(step.startswith("conv") for step in pools)


torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
nn = torch.nn


def block(channels, filters, halve=False):
    pool = [nn.MaxPool2d(2)] if halve else []
    return [nn.Conv2d(channels, filters, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(filters), nn.ReLU()]


class Basic(nn.Module):
    def __init__(self, filters):
        super().__init__()
        self.body = nn.Sequential(*block(filters, filters), *block(filters, filters)[:-1])

    def forward(self, x):
        return torch.relu(x + self.body(x))


def module_of(name, classes):
    if name in WIDTHS:
        layers = [nn.Conv2d(3, 24, 2), nn.ReLU()]
        for channels, filters in pairwise((24, *WIDTHS[name])):
            layers += block(channels, filters, True) + block(filters, filters)
        layers += [nn.MaxPool2d(3), nn.Flatten(), nn.Linear(256, classes)]
        return nn.Sequential(*layers).double()
    layers = [*block(3, 32, True), *block(32, 64, True), Basic(64)]
    layers += [*block(64, 128, True), Basic(128), *block(128, 256, True), Basic(256)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, classes)).double()


def to_torch(array):
    """Return the layout of PyTorch's: filters and outputs first."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


@pytest.mark.parametrize("name", SIDES)
def test_a_training_step_and_the_logits_after_it_are_pytorch_s(name, rng):
    side, classes = 40, 4
    net = models.build(name, (side, side, 3), classes, seed=1, dtype="float64")
    module = module_of(name, classes)
    theirs = [value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")]
    for value, variable in zip(theirs, net.variables().values(), strict=True):
        value.copy_(torch.from_numpy(to_torch(variable.value).copy()))

    x, labels = rng.standard_normal((4, side, side, 3)), rng.integers(classes, size=4)
    loss = SoftmaxCrossEntropy()
    value = loss.forward(net.forward(x, training=True), labels)
    net.backward(loss.backward(), input_gradient=False)
    their_x = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    their_value = nn.functional.cross_entropy(module(their_x), torch.from_numpy(labels))
    their_value.backward()
    assert float(value) == pytest.approx(their_value.item(), rel=1e-9)
    for parameter, other in zip(net.parameters().values(), module.parameters(), strict=True):
        expected = other.grad.numpy()
        # Batch norm behind an identity undoes any scale: there the gradient is 0, but for rounding.
        tolerance = 1e-8 * np.abs(expected).max() + 1e-14
        np.testing.assert_allclose(to_torch(parameter.grad), expected, rtol=0, atol=tolerance)
    with torch.no_grad():
        expected = module.eval()(their_x).numpy()
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-8)
