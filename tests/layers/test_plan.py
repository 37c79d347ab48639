"""The plan: what runs as one, where, and why; and that it changes nothing but time and memory."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    BatchNorm2D,
    Conv2D,
    Dense,
    Flatten,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    keep_for_backward,
    use_kernels,
)
from minicnn.layers.folded_norm import FoldedBlock, FoldedResidual
from minicnn.layers.norm_block import NormBlock, ResidualBlock
from minicnn.layers.passes import Absent
from minicnn.layers.plan import layers_of
from tests.comparison import assert_close


def residual_layers():
    """Return a small residual network with everything that is fused: a stem with a pool, and both kinds of shortcut."""
    return [
        Conv2D(4, 3, padding=1), BatchNorm2D(), ReLU(), MaxPool2D(2),
        Residual([Conv2D(4, 3, padding=1), BatchNorm2D(), ReLU(), Conv2D(4, 3, padding=1), BatchNorm2D()]), ReLU(),
        Residual(
            [Conv2D(6, 3, stride=2, padding=1), BatchNorm2D(), ReLU(), Conv2D(6, 3, padding=1), BatchNorm2D()],
            shortcut=[Conv2D(6, 1, stride=2), BatchNorm2D()],
        ), ReLU(),
        Flatten(), Dense(3),
    ]  # fmt: skip


def network(dtype="float64", fuse=True):
    net = Sequential(residual_layers(), (10, 11, 3), seed=5, dtype=dtype, fuse=fuse)
    rng = np.random.default_rng(6)
    for _, layer in net.walk():
        if isinstance(layer, BatchNorm2D):  # statistics and factors as after some training, not 0 and 1
            for variable in (layer.weight, layer.running_var):
                variable.value = rng.uniform(0.5, 2, variable.shape).astype(dtype)
            for variable in (layer.bias, layer.running_mean):
                variable.value = rng.standard_normal(variable.shape).astype(dtype)
    return net


def kinds(plan):
    return [(type(step).__name__, [layer.name for layer in layers_of(step)]) for step in plan.steps]


def test_what_runs_as_one_in_training_and_in_inference():
    with use_kernels("fast"):
        net = network()
        assert kinds(net.plan(training=True)) == [
            ("Conv2D", ["conv1"]), ("NormBlock", ["bn1", "relu1"]), ("MaxPool2D", ["pool1"]),
            ("ResidualBlock", ["residual1", "relu2"]), ("ResidualBlock", ["residual2", "relu3"]),
            ("Flatten", ["flatten1"]), ("Dense", ["dense1"]),
        ]  # fmt: skip
        assert kinds(net.plan(training=False)) == [
            ("FoldedBlock", ["conv1", "bn1", "relu1", "pool1"]),
            ("FoldedResidual", ["residual1", "relu2"]), ("FoldedResidual", ["residual2", "relu3"]),
            ("Flatten", ["flatten1"]), ("Dense", ["dense1"]),
        ]  # fmt: skip
        with keep_for_backward():  # batch norm is frozen, and its gradient wanted: nothing is folded
            assert not {kind for kind, _ in kinds(net.plan())} & {"FoldedBlock", "FoldedResidual", "NormBlock"}


def test_a_plan_prints_every_step_inside_and_out_and_says_why():
    with use_kernels("fast"):
        text = str(network().plan(training=True))
    lines = text.splitlines()
    assert lines[0] == "training pass, neighbours as one where that is faster:"
    assert any(line.startswith("  residual1 + relu2") and ResidualBlock.why in line for line in lines)
    assert any(line.startswith("      bn1 + relu1") and NormBlock.why in line for line in lines), "the body's own"
    assert "    body:" in lines and "    shortcut:" in lines
    assert any(line.startswith("  flatten1") and line.endswith("by itself") for line in lines)
    with use_kernels("reference"):
        assert "in reference mode" in str(network().plan())
    assert "fuse=False" in str(network(fuse=False).plan())


@pytest.mark.parametrize("input_gradient", [True, False])
def test_a_fused_residual_network_equals_one_run_layer_by_layer(input_gradient, dtype, rng):
    fused, plain = network(dtype), network(dtype, fuse=False)
    x = rng.standard_normal((3, 10, 11, 3)).astype(dtype)
    dy = rng.standard_normal((3, 3)).astype(dtype)
    with use_kernels("fast"):
        for pass_number in range(2):  # the second adds to the gradients of the first
            assert_close(fused.forward(x, True), plain.forward(x, True), dtype, f"output {pass_number}")
            dx, expected = (net.backward(dy, input_gradient=input_gradient) for net in (fused, plain))
            assert (dx is not None) == input_gradient
            if input_gradient:
                assert_close(dx, expected, dtype, "dx")
    for key, parameter in fused.parameters().items():
        assert_close(parameter.grad, plain.parameters()[key].grad, dtype, key)
    for key, array in fused.state().items():
        assert_close(array, plain.state()[key], dtype, key)


def test_a_folded_batch_norm_equals_one_by_itself(dtype, rng):
    folded, plain = network(dtype), network(dtype, fuse=False)
    x = rng.standard_normal((3, 10, 11, 3)).astype(dtype)
    with use_kernels("fast"):
        assert_close(folded.forward(x), plain.forward(x), dtype)
        assert {type(step) for step in folded.plan().steps} >= {FoldedBlock, FoldedResidual}


def test_a_convolution_without_bias_is_folded_too(rng):
    layers = [Conv2D(4, 3, bias=False), BatchNorm2D(), ReLU()]
    net = Sequential(layers, (6, 6, 3), dtype="float64")
    x = rng.standard_normal((2, 6, 6, 3))
    folded = net.forward(x)
    with keep_for_backward():
        assert_close(folded, net.forward(x))


def test_layers_show_what_a_fused_step_kept_and_what_it_never_wrote(rng):
    net = network()
    with use_kernels("fast"):
        net.forward(rng.standard_normal((2, 10, 11, 3)), training=True)
    assert net.bn1.x.shape == (2, 10, 11, 4)
    assert net.bn1.mean.shape == (4,)
    assert net.relu1.y.shape == (2, 10, 11, 4)
    assert isinstance(net.bn1.y, Absent)
    assert net.residual1.body.bn2.x.shape == net.relu2.y.shape
    net.backward(np.ones((2, 3)))
    assert net.residual1.body.bn2.x is None
    assert net.relu2.y is None


def test_a_part_that_is_exchanged_deep_inside_is_planned_anew(rng):
    net = network()
    x = rng.standard_normal((2, 10, 11, 3))
    with use_kernels("fast"):
        net.forward(x)
        net.residual1.body.conv1 = Conv2D(4, 1)
        net.build((10, 11, 3), rng, "float64")
        expected = Sequential(residual_layers(), (10, 11, 3), dtype="float64", fuse=False)
        expected.residual1.body.conv1 = Conv2D(4, 1)
        expected.build((10, 11, 3), rng, "float64")
        for name, variable in expected.variables().items():
            variable.value = net.state()[name]
        assert_close(net.forward(x), expected.forward(x))
