"""conv2d and conv2d_backward against the slow loops, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from minicnn import ops, use_kernels
from minicnn.errors import ShapeError
from minicnn.loops import convolution as oracle
from tests.comparison import assert_close, call_keeping
from tests.ops.cases import CONVOLUTIONS, Window, convolutions


def arrays(window: Window, dtype: str, rng: np.random.Generator):
    """Return x, weight, bias and dy for a convolution over `window`."""
    x = rng.standard_normal(window.x_shape).astype(dtype)
    weight = rng.standard_normal(window.weight_shape).astype(dtype)
    bias = rng.standard_normal(window.filters).astype(dtype)
    y_shape = ops.conv2d.reference(x, weight, bias, **window.convolution).shape
    return x, weight, bias, rng.standard_normal(y_shape).astype(dtype)


@pytest.mark.parametrize("window", CONVOLUTIONS, ids=str)
def test_forward_equals_the_loops(window: Window, mode, dtype, rng):
    x, weight, bias, _ = arrays(window, dtype, rng)
    y = call_keeping(ops.conv2d, x, weight, bias, **window.convolution)
    assert_close(y, oracle.conv2d(x, weight, bias, **window.convolution), dtype)


@pytest.mark.parametrize("window", CONVOLUTIONS, ids=str)
def test_backward_equals_the_loops(window: Window, mode, dtype, rng):
    x, weight, _, dy = arrays(window, dtype, rng)
    gradients = call_keeping(ops.conv2d_backward, dy, x, weight, **window.convolution)
    expected = oracle.conv2d_backward(dy, x, weight, **window.convolution)
    for name, got, right in zip(("dx", "dweight", "dbias"), gradients, expected, strict=True):
        assert_close(got, right, dtype, name)


@given(window=convolutions())
def test_both_modes_agree_for_any_window(window: Window):
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        x, weight, bias, dy = arrays(window, dtype, rng)
        results = {}
        for mode in ("reference", "fast"):
            with use_kernels(mode):
                y = ops.conv2d(x, weight, bias, **window.convolution)
                results[mode] = (y, *ops.conv2d_backward(dy, x, weight, **window.convolution))
        for got, right in zip(results["fast"], results["reference"], strict=True):
            assert_close(got, right, dtype)


@given(window=convolutions())
def test_any_window_equals_the_loops(window: Window):
    x, weight, bias, dy = arrays(window, "float64", np.random.default_rng(0))
    assert_close(
        ops.conv2d.reference(x, weight, bias, **window.convolution),
        oracle.conv2d(x, weight, bias, **window.convolution),
    )
    gradients = ops.conv2d_backward.reference(dy, x, weight, **window.convolution)
    for got, right in zip(gradients, oracle.conv2d_backward(dy, x, weight, **window.convolution), strict=True):
        assert_close(got, right)


@pytest.mark.parametrize("channels, filters", [(3, 32), (32, 64), (17, 5)])
@pytest.mark.parametrize("size", [3, 5])
def test_both_modes_agree_at_a_network_s_widths(channels, filters, size, dtype, rng):
    window = Window("", (3, 21, 18, channels), (size, size), filters=filters)
    x, weight, bias, dy = arrays(window, dtype, rng)
    assert_close(ops.conv2d(x, weight, bias), ops.conv2d.reference(x, weight, bias), dtype)
    fast = ops.conv2d_backward(dy, x, weight, (1, 1), (0, 0))
    formula = ops.conv2d_backward.reference(dy, x, weight, (1, 1), (0, 0))
    for got, right in zip(fast, formula, strict=True):
        assert_close(got, right, dtype)


def test_stride_and_padding_may_be_left_out(mode, rng):
    x, weight, bias, _ = arrays(Window("", (1, 5, 5, 2), (3, 3)), "float64", rng)
    assert_close(ops.conv2d(x, weight, bias), oracle.conv2d(x, weight, bias))


def test_the_picture_s_own_gradient_can_be_left_out(mode, rng):
    x, weight, _, dy = arrays(Window("", (2, 6, 6, 3), (3, 3)), "float64", rng)
    dx, dweight, dbias = ops.conv2d_backward(dy, x, weight, (1, 1), (0, 0), input_gradient=False)
    _, expected_dweight, expected_dbias = oracle.conv2d_backward(dy, x, weight)
    assert dx is None
    assert_close(dweight, expected_dweight)
    assert_close(dbias, expected_dbias)


@pytest.mark.parametrize("window", CONVOLUTIONS[::3], ids=str)
def test_the_bias_can_be_left_out(window: Window, mode, dtype, rng):
    x, weight, _, _ = arrays(window, dtype, rng)
    expected = ops.conv2d.reference(x, weight, np.zeros(window.filters, dtype), **window.convolution)
    assert_close(ops.conv2d(x, weight, None, **window.convolution), expected, dtype)


@pytest.mark.parametrize("kernels, groups", [("reference", 1), ("reference", 2), ("fast", 2)])
def test_sums_over_many_pixels_keep_their_digits(kernels, groups, rng):
    """A sum of 3 million numbers, one after the other in float32, was wrong in its third digit."""
    x = rng.random((64, 222, 222, 2), "float32")
    dy = np.full((64, 222, 222, 2), 0.1, "float32")
    weight = np.zeros((1, 1, 2 // groups, 2), "float32")
    with use_kernels(kernels):
        _, dweight, dbias = ops.conv2d_backward(dy, x, weight, (1, 1), (0, 0), False, groups)
    np.testing.assert_allclose(dbias, 64 * 222 * 222 * np.float64(np.float32(0.1)), rtol=1e-6)
    column = x.sum((0, 1, 2), dtype="float64") * np.float32(0.1)
    expected = column[:, None] * np.ones(2) if groups == 1 else column[None]
    np.testing.assert_allclose(dweight[0, 0], expected, rtol=1e-6)


def test_nan_and_infinity_reach_the_output(mode, dtype, rng):
    """A broken pixel must be seen in every window that covers it, whatever algorithm computes the convolution."""
    x, weight, bias, _ = arrays(Window("", (1, 8, 8, 3), (3, 3)), dtype, rng)
    x[0, 4, 4, 1] = np.nan
    y = ops.conv2d(x, weight, bias)
    assert np.isnan(y[0, 2:5, 2:5]).all()
    assert np.isfinite(y[0, :2, :2]).all()


@pytest.mark.parametrize(
    "weight_shape, bias_shape",
    [((3, 3, 2, 4), (4,)), ((3, 3, 3, 4), (5,)), ((3, 3, 3, 4), (1,))],
    ids=["channels", "bias", "bias of one"],
)
def test_arrays_that_do_not_belong_together_are_refused(weight_shape, bias_shape, mode):
    with pytest.raises(ShapeError, match="conv2d: these shapes do not belong together: x"):
        ops.conv2d(np.zeros((1, 5, 5, 3)), np.zeros(weight_shape), np.zeros(bias_shape))


@pytest.mark.parametrize("groups", [2, 3, 4, 0])
def test_groups_divide_channels_and_filters(groups, mode):
    with pytest.raises(ShapeError, match="groups"):
        ops.conv2d(np.zeros((1, 5, 5, 6)), np.zeros((3, 3, 6, 8)), np.zeros(8), (1, 1), (0, 0), groups)


def test_a_dilated_window_that_does_not_fit_is_refused(mode):
    with pytest.raises(ShapeError, match="7×7 window does not fit into an input of 6×7 pixels"):
        ops.conv2d(np.zeros((1, 6, 7, 1)), np.zeros((3, 3, 1, 1)), None, dilation=(3, 3))


def test_a_gradient_of_another_shape_is_refused(mode):
    with pytest.raises(ShapeError, match="conv2d_backward"):
        ops.conv2d_backward(np.zeros((1, 4, 3, 4)), np.zeros((1, 5, 5, 3)), np.zeros((3, 3, 3, 4)), (1, 1), (0, 0))


def test_dtypes_are_never_mixed_unseen(mode):
    x, weight, bias = np.zeros((1, 5, 5, 2), "float32"), np.zeros((3, 3, 2, 4)), np.zeros(4)
    with pytest.raises(TypeError, match=r"x float32, weight float64"):
        ops.conv2d(x, weight, bias)
