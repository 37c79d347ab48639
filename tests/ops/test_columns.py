"""im2col and col2im against the slow loops, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from minicnn import ops, use_kernels
from minicnn.errors import ShapeError
from minicnn.loops import columns as oracle
from tests.comparison import assert_close, call_keeping
from tests.ops.cases import CONVOLUTIONS, Window, convolutions


@pytest.mark.parametrize("window", CONVOLUTIONS, ids=str)
def test_im2col_copies_what_the_loops_copy(window: Window, mode, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    columns = call_keeping(ops.im2col, x, *window.columns)
    assert columns.dtype == dtype
    np.testing.assert_array_equal(columns, oracle.im2col(x, *window.columns))


@pytest.mark.parametrize("window", CONVOLUTIONS, ids=str)
def test_col2im_adds_what_the_loops_add(window: Window, mode, dtype, rng):
    columns = rng.standard_normal(oracle.im2col(np.zeros(window.x_shape), *window.columns).shape).astype(dtype)
    x = call_keeping(ops.col2im, columns, window.x_shape, *window.columns)
    assert_close(x, oracle.col2im(columns, window.x_shape, *window.columns), dtype)


@given(window=convolutions())
def test_col2im_is_the_transpose_of_im2col(window: Window):
    """⟨im2col(x), c⟩ = ⟨x, col2im(c)⟩ for every x and c: the definition of the transpose."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(window.x_shape)
    for mode in ("reference", "fast"):
        with use_kernels(mode):
            columns = ops.im2col(x, *window.columns)
            other = rng.standard_normal(columns.shape)
            back = ops.col2im(other, window.x_shape, *window.columns)
        np.testing.assert_allclose((columns * other).sum(), (x * back).sum(), rtol=1e-10, atol=1e-10)


@given(window=convolutions())
def test_both_modes_copy_the_same_for_any_window(window: Window):
    x = np.random.default_rng(0).standard_normal(window.x_shape)
    np.testing.assert_array_equal(ops.im2col(x, *window.columns), ops.im2col.reference(x, *window.columns))


def test_padding_may_be_two_numbers(mode, rng):
    x = rng.standard_normal((1, 5, 4, 2))
    np.testing.assert_array_equal(
        ops.im2col(x, (3, 2), (1, 1), (2, 1)), ops.im2col(x, (3, 2), (1, 1), ((2, 2), (1, 1)))
    )


def test_a_window_that_does_not_fit_is_refused(mode):
    with pytest.raises(ShapeError, match="5×5 window does not fit into an input of 4×6 pixels"):
        ops.im2col(np.zeros((1, 4, 6, 1)), (5, 5), (1, 1), (0, 0))


def test_a_matrix_of_another_picture_is_refused(mode):
    with pytest.raises(ShapeError, match="col2im"):
        ops.col2im(np.zeros((5, 9)), (1, 4, 4, 1), (3, 3), (1, 1), (0, 0))
