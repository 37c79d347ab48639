"""Every activation against Python's own arithmetic, in both modes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minicnn import LeakyReLU, ops
from minicnn.errors import ShapeError, UsageError
from tests.comparison import assert_close, call_keeping
from tests.ops.activations import ACTIVATIONS
from tests.ops.calls import kept_for_backward

SHAPES = [(1,), (3, 5), (2, 5, 4, 3), (1, 33, 31, 8)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_forward_equals_the_loops(name, shape, mode, dtype, rng):
    oracle = ACTIVATIONS[name]
    x = (3 * rng.standard_normal(shape)).astype(dtype)
    assert_close(call_keeping(getattr(ops, name), x, *oracle.settings), oracle.forward(x), dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_backward_equals_the_loops(name, shape, mode, dtype, rng):
    oracle = ACTIVATIONS[name]
    x = (2 * rng.standard_normal(shape)).astype(dtype)
    dy = rng.standard_normal(shape).astype(dtype)
    dx = call_keeping(getattr(ops, f"{name}_backward"), dy, kept_for_backward(name, x), *oracle.settings)
    assert_close(dx, oracle.backward(dy, x), dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_values_give_neither_overflow_nor_warning(name, mode, dtype):
    oracle = ACTIVATIONS[name]
    x = np.array([-800, -100, -30, -1e-30, -0.0, 0.0, 1e-30, 30, 100, 800], dtype)
    y = getattr(ops, name)(x, *oracle.settings)
    assert np.isfinite(y).all()
    assert_close(y, oracle.forward(x), dtype)
    dx = getattr(ops, f"{name}_backward")(np.ones_like(x), kept_for_backward(name, x), *oracle.settings)
    assert_close(dx, oracle.backward(np.ones_like(x), x), dtype)


def test_sigmoid_is_exact_where_it_is_tiny(mode):
    """1/(1 + e⁻ˣ) at −40 is 4e−18: an absolute tolerance would take 0 for it."""
    x = np.array([-40.0, -100.0, -700.0])
    np.testing.assert_allclose(ops.sigmoid(x), ACTIVATIONS["sigmoid"].forward(x), rtol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_infinities_have_their_limits_and_nan_stays(name, mode, dtype):
    settings = ACTIVATIONS[name].settings
    x = np.array([-np.inf, np.inf, np.nan], dtype)
    y = getattr(ops, name)(x, *settings)
    assert (y[0], y[1]) == ACTIVATIONS[name].limits
    assert np.isnan(y[2])
    dx = getattr(ops, f"{name}_backward")(np.ones_like(x), kept_for_backward(name, x), *settings)
    assert np.isfinite(dx[:2]).all()


def test_relu_has_no_gradient_at_the_kink(mode, dtype):
    """At x = 0 the gradient is taken to be 0, whatever the sign of the zero."""
    y = ops.relu(np.array([-1.0, -0.0, 0.0, 1.0], dtype))
    np.testing.assert_array_equal(ops.relu_backward(np.ones(4, dtype), y), [0, 0, 0, 1])


@pytest.mark.parametrize("backward", [ops.relu_backward, ops.relu6_backward])
def test_no_gradient_goes_through_nan(backward, mode, dtype):
    np.testing.assert_array_equal(backward(np.ones(3, dtype), np.array([np.nan, 1, np.nan], dtype)), [0, 1, 0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_gradient_that_does_not_belong_to_the_activation_is_refused(name, mode):
    backward, settings = getattr(ops, f"{name}_backward"), ACTIVATIONS[name].settings
    with pytest.raises(ShapeError, match=r"do not belong together: dy \(1, 3\), [xy] \(4, 3\)"):
        backward(np.ones((1, 3)), np.ones((4, 3)), *settings)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_settings_without_a_meaning_are_refused(name, mode):
    x = np.ones(3)
    for settings in ACTIVATIONS[name].refused:
        with pytest.raises(UsageError, match=re.escape(f"={settings[0]} should be")):
            getattr(ops, name)(x, *settings)
        with pytest.raises(UsageError, match=re.escape(f"={settings[0]} should be")):
            getattr(ops, f"{name}_backward")(x, x, *settings)


def test_leaky_relu_without_a_slope_is_relu(mode, dtype):
    """0·(−∞) would be NaN."""
    x = np.array([-np.inf, -1.0, 0.0, 2.0, np.nan], dtype)
    np.testing.assert_array_equal(ops.leaky_relu(x, 0), ops.relu(x))
    np.testing.assert_array_equal(ops.leaky_relu_backward(np.ones_like(x), x, 0), [0, 0, 0, 1, 0])


@pytest.mark.parametrize("slope", [-0.1, float("nan")])
def test_a_layer_refuses_a_slope_without_a_meaning(slope):
    with pytest.raises(UsageError, match=r"slope=.* should be at least 0, and finite"):
        LeakyReLU(slope)
