"""The optimizers' steps against the slow loops, in both modes; what they may change and what not."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import ShapeError
from minicnn.loops import updates as loops
from tests.comparison import assert_close
from tests.ops.updates import UPDATES

SHAPES = [(1,), (5, 3), (3, 3, 4, 7)]


@pytest.mark.parametrize("name", UPDATES)
def test_every_update_equals_its_loops(name, mode, dtype, rng):
    update = UPDATES[name]
    arguments = update.call(rng, dtype)
    expected = update.loops(*arguments)
    getattr(ops, name)(*arguments)
    for place, right in zip(update.changed, expected, strict=True):
        assert_close(arguments[place], right, dtype, f"argument {place}")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "momentum, nesterov, weight_decay", [(0.0, False, 0.0), (0.9, False, 0.0), (0.9, True, 0.01), (0.0, False, 0.1)]
)
def test_sgd_equals_the_loops(shape, momentum, nesterov, weight_decay, mode, dtype, rng):
    value, grad, velocity = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    if not momentum:
        velocity = None
    expected = loops.sgd_update(value, grad, velocity, 0.1, momentum, nesterov, weight_decay)
    grad_before = grad.copy()
    ops.sgd_update(value, grad, velocity, 0.1, momentum, nesterov, weight_decay)
    np.testing.assert_array_equal(grad, grad_before)
    assert_close(value, expected[0], dtype, "value")
    if momentum:
        assert_close(velocity, expected[1], dtype, "velocity")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("step, weight_decay", [(1, 0.0), (2, 0.01), (1000, 0.0)])
def test_adam_equals_the_loops(shape, step, weight_decay, mode, dtype, rng):
    value, grad, mean = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    square = rng.random(shape).astype(dtype)
    settings = (1 - 0.9**step, 1 - 0.999**step, 0.01, 0.9, 0.999, 1e-8, weight_decay)
    expected = loops.adam_update(value, grad, mean, square, *settings)
    grad_before = grad.copy()
    ops.adam_update(value, grad, mean, square, *settings)
    np.testing.assert_array_equal(grad, grad_before)
    for name, got, right in zip(("value", "mean", "square"), (value, mean, square), expected, strict=True):
        assert_close(got, right, dtype, name)


def test_a_value_that_is_a_view_is_changed_in_place(mode, dtype, rng):
    """A parameter may be a part of a larger array: the step must reach that array, not a copy of it."""
    whole = rng.standard_normal((6, 8)).astype(dtype)
    before = whole.copy()
    value = whole[::2, 1::3]
    grad = rng.standard_normal(value.shape).astype(dtype)
    expected, _ = loops.sgd_update(value, grad, None, 0.1, 0.0, False, 0.0)
    ops.sgd_update(value, grad, None, 0.1, 0.0, False, 0.0)
    assert_close(whole[::2, 1::3], expected, dtype)
    np.testing.assert_array_equal(whole[1::2], before[1::2])

    mean, square = np.zeros((6, 8), dtype)[::2, 1::3], np.zeros_like(value)
    expected_value, expected_mean, _ = loops.adam_update(
        value, grad, mean, square, 0.1, 0.001, 0.1, 0.9, 0.999, 1e-8, 0.0
    )
    ops.adam_update(value, grad, mean, square, 0.1, 0.001, 0.1, 0.9, 0.999, 1e-8, 0.0)
    assert_close(whole[::2, 1::3], expected_value, dtype)
    assert_close(mean, expected_mean, dtype)


@pytest.mark.parametrize("with_momentum", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_without_decay_keeps_an_infinite_weight_infinite(with_momentum, nesterov, mode, dtype):
    """λ·w with λ = 0 would make NaN of it."""
    value, grad = np.array([np.inf, -np.inf, 1], dtype), np.ones(3, dtype)
    ops.sgd_update(value, grad, np.zeros(3, dtype) if with_momentum else None, 0.5, 0.0, nesterov, 0.0)
    np.testing.assert_array_equal(value, np.array([np.inf, -np.inf, 0.5], dtype))


def test_adam_without_decay_keeps_an_infinite_weight_infinite(mode, dtype):
    value, mean, square = np.array([np.inf, -np.inf], dtype), np.zeros(2, dtype), np.zeros(2, dtype)
    ops.adam_update(value, np.ones(2, dtype), mean, square, 0.1, 0.001, 0.1, 0.9, 0.999, 1e-8, 0.0)
    np.testing.assert_array_equal(value, np.array([np.inf, -np.inf], dtype))


def test_plain_momentum_makes_an_infinite_gradient_an_infinite_step_and_no_nan(mode, dtype):
    value, velocity = np.ones(2, dtype), np.zeros(2, dtype)
    ops.sgd_update(value, np.array([np.inf, -np.inf], dtype), velocity, 0.1, 0.9, False, 0.0)
    np.testing.assert_array_equal(value, np.array([-np.inf, np.inf], dtype))


def test_an_array_that_may_not_be_written_is_refused(mode, dtype):
    value, grad = np.zeros(3, dtype), np.ones(3, dtype)
    value.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ops.sgd_update(value, grad, None, 0.1, 0.0, False, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        ops.adam_update(value, grad, np.zeros(3, dtype), np.zeros(3, dtype), 0.1, 0.001, 0.1, 0.9, 0.999, 1e-8, 0.0)


def test_arrays_of_other_shapes_are_refused_and_nothing_changes(mode):
    """NumPy would stretch a single gradient over all weights."""
    value, grad = np.ones((3, 2)), np.ones((1, 2))
    with pytest.raises(ShapeError, match=r"sgd_update: .* value \(3, 2\), grad \(1, 2\)"):
        ops.sgd_update(value, grad, None, 0.1, 0.0, False, 0.0)
    with pytest.raises(ShapeError, match=r"adam_update: .* grad \(1, 2\), mean \(3, 2\)"):
        ops.adam_update(value, grad, value.copy(), value.copy(), 0.1, 0.1, 0.1, 0.9, 0.999, 1e-8, 0.0)
    np.testing.assert_array_equal(value, 1)
