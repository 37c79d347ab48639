"""conv2d and conv2d_backward against the slow loops, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from minicnn import ops, use_kernels
from minicnn.errors import ShapeError
from tests.comparison import assert_close, call_keeping
from tests.ops.cases import CONVOLUTIONS, Window, convolutions
from tests.oracles import convolution as oracle


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


def test_a_gradient_of_another_shape_is_refused(mode):
    with pytest.raises(ShapeError, match="conv2d_backward"):
        ops.conv2d_backward(np.zeros((1, 4, 3, 4)), np.zeros((1, 5, 5, 3)), np.zeros((3, 3, 3, 4)), (1, 1), (0, 0))


def test_dtypes_are_never_mixed_unseen(mode):
    x, weight, bias = np.zeros((1, 5, 5, 2), "float32"), np.zeros((3, 3, 2, 4)), np.zeros(4)
    with pytest.raises(TypeError, match=r"x float32, weight float64"):
        ops.conv2d(x, weight, bias)
