"""Dropout: its mask bit by bit, and its statistics, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import ShapeError, UsageError
from minicnn.loops import dropout as oracle
from tests.comparison import assert_close, call_keeping


@pytest.mark.parametrize("shape", [(1,), (4, 7), (2, 5, 4, 3), (3, 1000)], ids=str)
@pytest.mark.parametrize("rate, seed", [(0.5, 0), (0.1, 2**62 + 12345), (0.9, 2**32 - 1), (0.0, 7)])
def test_mask_and_values_equal_the_loops(shape, rate, seed, mode, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    y, keep = call_keeping(ops.dropout, x, rate, seed)
    expected, expected_keep = oracle.dropout(x, rate, seed)
    assert keep.dtype == bool
    np.testing.assert_array_equal(keep, expected_keep)
    assert_close(y, expected, dtype)
    dy = rng.standard_normal(shape).astype(dtype)
    dx = call_keeping(ops.dropout_backward, dy, keep, rate)
    assert_close(dx, np.where(expected_keep, dy.astype("float64") / (1 - rate), 0), dtype)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_share_that_is_dropped_and_the_mean(rate, mode):
    x = np.ones(200_000, "float32")
    y, keep = ops.dropout(x, rate, 3)
    deviation = (rate * (1 - rate) / x.size) ** 0.5
    assert abs((1 - keep.mean()) - rate) < 4 * deviation
    assert abs(y.mean(dtype="float64") - 1) < 4 * deviation / (1 - rate)


def test_neighbours_and_seeds_are_independent(mode):
    """Neither the next element nor the next seed says anything about an element: correlations are noise."""
    x = np.ones(100_000, "float32")
    keep = ops.dropout(x, 0.5, 10)[1]
    next_seed = ops.dropout(x, 0.5, 11)[1]
    other_word = ops.dropout(x, 0.5, 10 + 2**32)[1]
    noise = 5 / np.sqrt(x.size)
    assert abs(np.corrcoef(keep[1:], keep[:-1])[0, 1]) < noise
    assert abs(np.corrcoef(keep, next_seed)[0, 1]) < noise
    assert abs(np.corrcoef(keep, other_word)[0, 1]) < noise


def test_the_same_seed_gives_the_same_mask(mode):
    x = np.ones((3, 5), "float32")
    np.testing.assert_array_equal(ops.dropout(x, 0.5, 4)[1], ops.dropout(x, 0.5, 4)[1])


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate, mode):
    with pytest.raises(UsageError, match="should be at least 0 and below 1"):
        ops.dropout(np.ones(3), rate, 1)
    with pytest.raises(UsageError, match="should be at least 0 and below 1"):
        ops.dropout_backward(np.ones(3), np.ones(3, bool), rate)


def test_a_gradient_of_another_shape_is_refused(mode):
    with pytest.raises(ShapeError, match=r"dropout_backward: .* dy \(1, 3\), keep \(2, 3\)"):
        ops.dropout_backward(np.ones((1, 3)), np.ones((2, 3), bool), 0.5)
