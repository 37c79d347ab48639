"""SGD and Adam against PyTorch's over twenty steps; memory, gradients and settings."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn import SGD, Adam, optimizers
from minicnn.errors import UsageError
from minicnn.layers import Parameter
from tests.comparison import assert_close
from tests.ops.updates import OPTIMIZERS


def test_every_optimizer_is_tried():
    assert {name.lower() for name, _ in OPTIMIZERS.values()} == set(optimizers.OPTIMIZERS)


def make(kind):
    return getattr(minicnn, kind)


def parameters(rng, dtype="float64"):
    shapes = {"conv1.weight": (3, 3, 2, 4), "conv1.bias": (4,)}
    return {name: Parameter(rng.standard_normal(shape).astype(dtype)) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_end_where_pytorch_s_do(name, mode, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    kind, settings = OPTIMIZERS[name]
    learning = parameters(rng, dtype)
    tensors = [torch.tensor(p.value, requires_grad=True) for p in learning.values()]
    optimizer, their_optimizer = make(kind)(learning, **settings), getattr(torch.optim, kind)(tensors, **settings)
    for step in range(20):
        for parameter, tensor in zip(learning.values(), tensors, strict=True):
            parameter.grad = rng.standard_normal(parameter.value.shape).astype(dtype)
            tensor.grad = torch.tensor(parameter.grad)
        if step == 10:  # as a schedule does
            optimizer.lr = their_optimizer.param_groups[0]["lr"] = settings["lr"] / 3
        optimizer.step()
        their_optimizer.step()
    for parameter, tensor in zip(learning.values(), tensors, strict=True):
        assert_close(parameter.value, tensor.detach().numpy(), dtype)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_changes_values_in_place_and_gradients_not_at_all(name, mode, rng):
    kind, settings = OPTIMIZERS[name]
    learning = parameters(rng)
    optimizer = make(kind)(learning, **settings)
    arrays = {key: p.value for key, p in learning.items()}
    for parameter in learning.values():
        parameter.grad = rng.standard_normal(parameter.value.shape)
    before = {key: (p.value.copy(), p.grad.copy()) for key, p in learning.items()}
    optimizer.step()
    for key, parameter in learning.items():
        assert parameter.value is arrays[key]
        assert not np.array_equal(parameter.value, before[key][0])
        np.testing.assert_array_equal(parameter.grad, before[key][1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_parameter_without_a_gradient_stays(name, mode, rng):
    kind, settings = OPTIMIZERS[name]
    learning = parameters(rng)
    before = learning["conv1.bias"].value.copy()
    learning["conv1.weight"].grad = np.ones((3, 3, 2, 4))
    make(kind)(learning, **settings).step()
    np.testing.assert_array_equal(learning["conv1.bias"].value, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saved_memory_goes_on_as_if_never_interrupted(name, mode, rng):
    kind, settings = OPTIMIZERS[name]
    learning = parameters(np.random.default_rng(0))
    gradients = [{key: rng.standard_normal(p.value.shape) for key, p in learning.items()} for _ in range(6)]

    def steps(optimizer, which):
        for gradient in which:
            for key, parameter in optimizer.parameters.items():
                parameter.grad = gradient[key]
            optimizer.step()

    whole = make(kind)(learning, **settings)
    steps(whole, gradients)

    first = make(kind)(parameters(np.random.default_rng(0)), **settings)
    steps(first, gradients[:3])
    saved = {key: array.copy() for key, array in first.state_arrays().items()}
    values = {key: Parameter(p.value.copy()) for key, p in first.parameters.items()}
    second = make(kind)(values, **settings)
    second.load_state(saved, first.steps)
    steps(second, gradients[3:])
    for key, parameter in whole.parameters.items():
        np.testing.assert_array_equal(second.parameters[key].value, parameter.value)


def test_another_optimizer_s_memory_is_refused_and_changes_nothing(rng):
    adam, momentum = Adam(parameters(rng)), SGD(parameters(rng), momentum=0.9)
    before = {key: array.copy() for key, array in momentum.state_arrays().items()}
    with pytest.raises(UsageError, match="not one of SGD on this network"):
        momentum.load_state(adam.state_arrays(), 5)
    assert momentum.steps == 0
    for key, array in momentum.state_arrays().items():
        np.testing.assert_array_equal(array, before[key])


def test_zero_grad_forgets_all_gradients(rng):
    learning = parameters(rng)
    optimizer = SGD(learning)
    for parameter in learning.values():
        parameter.grad = np.ones_like(parameter.value)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in learning.values())


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: SGD(p, lr=-1), "lr=-1"),
        (lambda p: SGD(p, lr=float("nan")), "lr=nan"),
        (lambda p: SGD(p, lr=float("inf")), "lr=inf"),
        (lambda p: SGD(p, momentum=1.0), "momentum=1.0 should be at least 0 and below 1"),
        (lambda p: SGD(p, weight_decay=-0.1), "weight_decay=-0.1"),
        (lambda p: SGD(p, nesterov=True), "nesterov=True needs a momentum above 0"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), "beta2=1.0"),
        (lambda p: Adam(p, epsilon=-1e-8), "epsilon=-1e-08"),
        (lambda p: Adam({}), "the optimizer was given no parameters"),
    ],
)
def test_settings_out_of_range_are_refused(make, message, rng):
    with pytest.raises(UsageError, match=message):
        make(parameters(rng))
