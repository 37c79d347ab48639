"""The exponential and the normal distribution of kernels: as exact as promised, and right where they end."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.exponential import exponential, normal_density, normal_tail


@entry
def _exponentials(t, result):
    for i in range(t.size):
        result[i] = exponential(t[i])


@entry
def _densities(x, result):
    for i in range(x.size):
        result[i] = normal_density(x[i])


@entry
def _tails(x, result):
    for i in range(x.size):
        result[i] = normal_tail(x[i])


def run(kernel, x: np.ndarray) -> np.ndarray:
    result = np.empty_like(x)
    kernel(x, result)
    return result


@pytest.mark.parametrize("dtype, lowest, error", [("float32", -87, 2e-7), ("float64", -708, 5e-16)])
def test_the_exponential_is_right_to_the_last_bits(dtype, lowest, error, rng):
    t = np.concatenate([[-0.0, -1e-30, lowest], lowest * rng.random(10_000), -rng.random(10_000)]).astype(dtype)
    right = np.exp(t.astype(np.longdouble))
    np.testing.assert_allclose(run(_exponentials, t), right, rtol=error)


def test_the_exponential_ends_in_zero_and_keeps_nan(dtype):
    t = np.array([-750, -1e30, -np.inf, np.nan], dtype)
    np.testing.assert_array_equal(run(_exponentials, t), [0, 0, 0, np.nan])


@pytest.mark.parametrize("kernel, of_scipy", [(_densities, scipy.stats.norm.pdf), (_tails, scipy.stats.norm.sf)])
def test_the_normal_distribution_is_scipy_s(kernel, of_scipy, dtype, rng):
    x = np.concatenate([[0, 1e-10, 40, np.inf], 6 * rng.random(10_000)]).astype(dtype)
    error = {"float32": 3e-7, "float64": 1e-15}[dtype]
    np.testing.assert_allclose(run(kernel, x), of_scipy(x.astype("float64")), rtol=0, atol=error)
    assert np.isnan(run(kernel, np.array([np.nan], dtype)))
