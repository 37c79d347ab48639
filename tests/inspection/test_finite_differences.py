"""Numeric derivatives against known ones, and kinks told from curves."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.inspection.finite_differences import numeric_gradient

ACCURACY = 2.5e-7


def differentiate(function, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate Σ function(x) at every element of the vector x; return the derivatives and which are known."""
    indices = [(i,) for i in range(x.size)]
    derivatives, _, known = numeric_gradient(lambda: function(x), np.ones_like(x), x, indices, ACCURACY)
    return derivatives, known


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (lambda x: x**3, lambda x: 3 * x**2),
        (lambda x: 5 * x, lambda x: np.full_like(x, 5.0)),
    ],
)
def test_smooth_functions(function, derivative, rng: np.random.Generator) -> None:
    x = rng.standard_normal(50)
    before = x.copy()
    derivatives, known = differentiate(function, x)
    assert known.all()
    np.testing.assert_allclose(derivatives, derivative(x), rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1 / 3, 0.4, 0.5, 0.6, 0.9])
def test_a_kink_within_reach_of_the_smallest_step_is_left_out(share: float, sign: int) -> None:
    kink = sign * share * 1e-6
    _, known = differentiate(lambda x: np.abs(x - kink) + np.sin(x), np.zeros(1))
    assert not known.any()


@pytest.mark.parametrize("distance", [3e-6, 1.1e-5, 5e-5, 1e-3])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_kink_further_off_does_no_harm(distance: float, sign: int) -> None:
    derivatives, known = differentiate(lambda x: np.abs(x - sign * distance) + 3 * np.sin(x), np.zeros(1))
    assert known.all()
    np.testing.assert_allclose(derivatives, [3 - sign], atol=1e-8)


def test_a_small_kink_on_a_steep_slope_is_left_out() -> None:
    _, known = differentiate(lambda x: 100 * x + 0.01 * np.abs(x), np.zeros(1))
    assert not known.any()


@pytest.mark.parametrize("height", [1e3, 1e5, 1e7])
def test_a_slope_that_rounding_hides_is_left_out(height: float, rng: np.random.Generator) -> None:
    x = rng.standard_normal(40)
    derivatives, known = differentiate(lambda x: height + np.sin(x), x)
    assert (known.all(), known.any()) == (height < 1e5, height < 1e7)
    yardstick = np.maximum(np.abs(np.cos(x)), 0.01)
    assert (np.abs(derivatives - np.cos(x)) <= 1e-6 * yardstick)[known].all()


def test_an_undefined_value_is_left_out() -> None:
    with np.errstate(invalid="ignore"):
        _, known = differentiate(np.sqrt, np.array([0.0, 1.0]))
    np.testing.assert_array_equal(known, [False, True])
