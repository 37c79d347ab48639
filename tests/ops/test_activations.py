"""ReLU, sigmoid and tanh against Python's own arithmetic, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops
from tests.comparison import assert_close, call_keeping
from tests.oracles import activations as oracle

NAMES = ("relu", "sigmoid", "tanh")
SHAPES = [(1,), (3, 5), (2, 5, 4, 3), (1, 33, 31, 8)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_forward_equals_the_loops(name, shape, mode, dtype, rng):
    x = (3 * rng.standard_normal(shape)).astype(dtype)
    assert_close(call_keeping(getattr(ops, name), x), getattr(oracle, name)(x), dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_backward_equals_the_loops(name, shape, mode, dtype, rng):
    x = (2 * rng.standard_normal(shape)).astype(dtype)
    dy = rng.standard_normal(shape).astype(dtype)
    y = getattr(ops, name)(x)
    dx = call_keeping(getattr(ops, f"{name}_backward"), dy, y)
    assert_close(dx, getattr(oracle, f"{name}_backward")(dy, x), dtype)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_values_give_neither_overflow_nor_warning(name, mode, dtype):
    x = np.array([-800, -100, -30, -1e-30, -0.0, 0.0, 1e-30, 30, 100, 800], dtype)
    y = getattr(ops, name)(x)
    assert np.isfinite(y).all()
    assert_close(y, getattr(oracle, name)(x), dtype)


def test_sigmoid_is_exact_where_it_is_tiny(mode):
    """1/(1 + e⁻ˣ) at −40 is 4e−18: an absolute tolerance would take 0 for it."""
    x = np.array([-40.0, -100.0, -700.0])
    np.testing.assert_allclose(ops.sigmoid(x), oracle.sigmoid(x), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_infinities_have_their_limits_and_nan_stays(name, mode, dtype):
    y = getattr(ops, name)(np.array([-np.inf, np.inf, np.nan], dtype))
    low, high = {"relu": (0, np.inf), "sigmoid": (0, 1), "tanh": (-1, 1)}[name]
    assert (y[0], y[1]) == (low, high)
    assert np.isnan(y[2])


def test_relu_has_no_gradient_at_the_kink(mode, dtype):
    """At x = 0 the gradient is taken to be 0, whatever the sign of the zero."""
    y = ops.relu(np.array([-1.0, -0.0, 0.0, 1.0], dtype))
    np.testing.assert_array_equal(ops.relu_backward(np.ones(4, dtype), y), [0, 0, 0, 1])
