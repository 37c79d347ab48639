"""Max and average pooling against the slow loops, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from minicnn import ops, use_kernels
from minicnn.errors import ShapeError
from minicnn.loops import pooling as oracle
from tests.comparison import assert_close, call_keeping
from tests.ops.cases import POOLING_WINDOWS, Window, pooling_windows


@pytest.mark.parametrize("window", POOLING_WINDOWS, ids=str)
def test_max_pool_equals_the_loops(window: Window, mode, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    y, argmax = call_keeping(ops.max_pool2d, x, *window.geometry)
    expected, expected_argmax = oracle.max_pool2d(x, *window.geometry)
    assert y.dtype == dtype
    assert argmax.dtype == "uint8"
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(argmax, expected_argmax)

    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = call_keeping(ops.max_pool2d_backward, dy, argmax, x.shape, *window.geometry)
    assert_close(dx, oracle.max_pool2d_backward(dy, expected_argmax, x.shape, *window.geometry), dtype)


@pytest.mark.parametrize("window", POOLING_WINDOWS, ids=str)
def test_avg_pool_equals_the_loops(window: Window, mode, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    y = call_keeping(ops.avg_pool2d, x, *window.geometry)
    assert_close(y, oracle.avg_pool2d(x, *window.geometry), dtype)

    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = call_keeping(ops.avg_pool2d_backward, dy, x.shape, *window.geometry)
    assert_close(dx, oracle.avg_pool2d_backward(dy, x.shape, *window.geometry), dtype)


@given(window=pooling_windows())
def test_any_window_with_ties_and_nan_equals_the_loops(window: Window):
    """Of equal elements the first wins, in the order of reading, and the first NaN wins over every number."""
    values = [-1.0, -0.0, 0.0, 1.0, np.nan, np.inf, -np.inf]
    x = np.random.default_rng(0).choice(values, window.x_shape, p=[0.3, 0.1, 0.2, 0.3, 0.04, 0.03, 0.03])
    expected, expected_argmax = oracle.max_pool2d(x, *window.geometry)
    for mode in ("reference", "fast"):
        for dtype in ("float32", "float64"):
            with use_kernels(mode):
                y, argmax = ops.max_pool2d(x.astype(dtype), *window.geometry)
            np.testing.assert_array_equal(y, expected)
            np.testing.assert_array_equal(argmax[expected > -np.inf], expected_argmax[expected > -np.inf])


@given(window=pooling_windows())
def test_both_modes_agree_for_any_window(window: Window):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(window.x_shape)
    dy = rng.standard_normal(ops.avg_pool2d.reference(x, *window.geometry).shape)
    results = {}
    for mode in ("reference", "fast"):
        with use_kernels(mode):
            _, argmax = ops.max_pool2d(x, *window.geometry)
            results[mode] = (
                ops.avg_pool2d(x, *window.geometry),
                ops.max_pool2d_backward(dy, argmax, x.shape, *window.geometry),
                ops.avg_pool2d_backward(dy, x.shape, *window.geometry),
            )
    for got, right in zip(results["fast"], results["reference"], strict=True):
        assert_close(got, right)


def test_a_window_of_more_than_256_pixels_has_a_wider_argmax(mode, dtype, rng):
    x = np.zeros((1, 20, 20, 2), dtype)
    x[0, 17, 15, 1] = 1
    y, argmax = ops.max_pool2d(x, (18, 16), (1, 1), (0, 0))
    assert argmax.dtype == "int32"
    assert argmax[0, 0, 0, 1] == 17 * 16 + 15
    dx = ops.max_pool2d_backward(np.ones_like(y), argmax, x.shape, (18, 16), (1, 1), (0, 0))
    _, expected_argmax = oracle.max_pool2d(x, (18, 16), (1, 1), ((0, 0), (0, 0)))
    expected = oracle.max_pool2d_backward(np.ones_like(y), expected_argmax, x.shape, (18, 16), (1, 1), ((0, 0), (0, 0)))
    np.testing.assert_array_equal(dx, expected)


def test_overlapping_windows_with_one_maximum_add_their_gradients(mode):
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1, 0] = 1  # the maximum of all four windows
    y, argmax = ops.max_pool2d(x, (2, 2), (1, 1), (0, 0))
    dx = ops.max_pool2d_backward(np.ones_like(y), argmax, x.shape, (2, 2), (1, 1), (0, 0))
    assert dx[0, 1, 1, 0] == 4
    assert dx.sum() == 4


def test_an_infinite_gradient_reaches_the_maximum_and_no_other(mode, dtype):
    """A product with 0 would make NaN of it everywhere else in the window."""
    argmax = np.array([[[[2]]]], "uint8")
    dx = ops.max_pool2d_backward(np.full((1, 1, 1, 1), np.inf, dtype), argmax, (1, 2, 2, 1), (2, 2), (2, 2), (0, 0))
    np.testing.assert_array_equal(dx.ravel(), np.array([0, 0, np.inf, 0], dtype))
    assert dx.dtype == dtype


def test_max_pool_never_chooses_the_padding(mode, dtype):
    """Padding counts as −∞, not as 0: a picture of negative numbers keeps them."""
    x = np.full((1, 4, 4, 2), -5.0, dtype)
    y, _ = ops.max_pool2d(x, (3, 3), (2, 2), (1, 1))
    assert (y == -5).all()


@pytest.mark.parametrize("operation", [ops.max_pool2d, ops.avg_pool2d])
def test_padding_as_large_as_the_window_is_refused(operation, mode):
    with pytest.raises(ShapeError, match="a window must cover at least one pixel of the picture"):
        operation(np.zeros((1, 4, 4, 1)), (2, 2), (2, 2), ((0, 0), (2, 0)))


@pytest.mark.parametrize("operation", [ops.max_pool2d, ops.avg_pool2d])
def test_a_window_that_does_not_fit_is_refused(operation, mode):
    with pytest.raises(ShapeError, match="3×3 window does not fit into an input of 2×5 pixels"):
        operation(np.zeros((1, 2, 5, 1)), (3, 3), (1, 1), (0, 0))


@pytest.mark.parametrize("operation", [ops.max_pool2d, ops.avg_pool2d])
def test_a_picture_without_its_batch_is_refused_by_its_shape(operation, mode):
    with pytest.raises(ShapeError, match=r"pool2d.*x \(4, 4, 1\)"):
        operation(np.zeros((4, 4, 1)), (2, 2), (2, 2), (0, 0))


def test_a_gradient_of_another_shape_is_refused(mode):
    dy, argmax = np.zeros((1, 3, 2, 1)), np.zeros((1, 3, 2, 1), "uint8")
    with pytest.raises(ShapeError, match="max_pool2d_backward"):
        ops.max_pool2d_backward(dy, argmax, (1, 4, 4, 1), (2, 2), (2, 2), (0, 0))
    with pytest.raises(ShapeError, match="avg_pool2d_backward"):
        ops.avg_pool2d_backward(dy, (1, 4, 4, 1), (2, 2), (2, 2), (0, 0))


@pytest.mark.parametrize("window", POOLING_WINDOWS, ids=str)
def test_without_indices_the_maxima_are_the_same(window: Window, mode, dtype, rng):
    x = rng.choice([-1.0, 0.0, 2.0, np.nan, -np.inf], window.x_shape).astype(dtype)
    y, argmax = call_keeping(ops.max_pool2d, x, *window.geometry, indices=False)
    assert argmax is None
    np.testing.assert_array_equal(y, ops.max_pool2d(x, *window.geometry)[0])


def test_padded_integers_have_no_smallest_number(mode):
    x = np.arange(16).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(ops.max_pool2d(x, (2, 2), (2, 2), (0, 0))[0].ravel(), [5, 7, 13, 15])
    with pytest.raises(TypeError, match=r"padding counts as −∞, which int64 cannot hold: .* x.astype\('float32'\)"):
        ops.max_pool2d(x, (2, 2), (2, 2), (1, 0))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 4, 3), (3, 1, 9, 17), (0, 3, 3, 2)], ids=str)
def test_the_average_of_a_picture_equals_the_loops(shape, mode, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    window = (shape[1:3], (1, 1), ((0, 0), (0, 0)))
    y = call_keeping(ops.global_avg_pool2d, x)
    assert_close(y, oracle.avg_pool2d(x, *window)[:, 0, 0, :], dtype)
    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = call_keeping(ops.global_avg_pool2d_backward, dy, shape)
    assert_close(dx, oracle.avg_pool2d_backward(dy[:, None, None, :], shape, *window), dtype)


def test_the_average_of_a_large_bright_picture_keeps_its_digits(mode):
    """A running float32 sum of 250,000 pixels near 1000 would be off by 1e-3."""
    x = (1000 + np.random.default_rng(0).random((1, 500, 500, 2))).astype("float32")
    np.testing.assert_allclose(ops.global_avg_pool2d(x), x.astype("float64").mean(axis=(1, 2)), rtol=1e-7)


def test_what_is_no_batch_of_pictures_has_no_average(mode):
    for shape in ((3, 4, 5), (2, 0, 3, 4)):
        with pytest.raises(ShapeError, match="global_avg_pool2d"):
            ops.global_avg_pool2d(np.ones(shape))
    with pytest.raises(ShapeError, match="global_avg_pool2d_backward"):
        ops.global_avg_pool2d_backward(np.ones((2, 4)), (2, 3, 3, 5))
