"""Batch norm, norm block, layer norm and local response norm: the slow loops, their digits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops, threads
from minicnn.errors import ShapeError, UsageError
from minicnn.loops import batch_norm, layer_norm, local_response_norm, norm_block
from tests.comparison import TOLERANCE, assert_close, call_keeping

EPSILON = 1e-5
# One channel, rows of several pixels with some left over, whole rows, and more channels than a row has numbers.
SHAPES = [(2, 1, 2, 1), (2, 3, 4, 3), (3, 5, 2, 7), (1, 4, 5, 64), (2, 3, 3, 130)]
NAMES = ("dx", "dweight", "dbias", "dresidual")


def close(results, expected, dtype, names):
    for name, got, right in zip(names, results, expected, strict=True):
        assert_close(got, right, dtype, name)


def assert_remainder(dx, expected, whole, dtype):
    """Compare dx as exactly as what it is the rest of: with few pixels, mean and slope leave next to nothing."""
    np.testing.assert_allclose(dx, expected, rtol=0, atol=TOLERANCE[dtype] * np.abs(whole).max(), err_msg="dx")
    assert dx.dtype == dtype


@pytest.fixture(params=SHAPES, ids=str)
def arrays(request, dtype, rng):
    """Return dy, x, residual (N, H, W, C), weight, bias (C,)."""
    shape = request.param
    pictures = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    return *pictures, *(rng.standard_normal(shape[3:]).astype(dtype) for _ in range(2))


def test_batch_norm_equals_the_loops(arrays, mode, dtype):
    dy, x, _, weight, bias = arrays
    y, mean, variance = call_keeping(ops.batch_norm, x, weight, bias, EPSILON)
    close((y, mean, variance), batch_norm.batch_norm(x, weight, bias, EPSILON), dtype, ("y", "mean", "variance"))
    dx, dweight, dbias = call_keeping(ops.batch_norm_backward, dy, x, weight, mean, variance, EPSILON)
    expected = batch_norm.batch_norm_backward(dy, x, weight, EPSILON)
    close((dweight, dbias), expected[1:], dtype, NAMES[1:3])
    assert_remainder(dx, expected[0], weight / np.sqrt(variance + EPSILON) * dy, dtype)


@pytest.mark.parametrize("with_residual", [True, False])
def test_a_norm_block_with_relu6(with_residual, mode, dtype, rng):
    """ReLU6 behind it, once both of its kinks are met: what the two operations give one after the other."""
    x, residual, dy = (rng.standard_normal((3, 7, 5, 4)).astype(dtype) for _ in range(3))
    weight, bias = (np.array([4, -3, 6, 2]).astype(dtype), np.array([1, 3, 5, 2]).astype(dtype))
    added = residual if with_residual else None
    z, mean, variance = ops.batch_norm.reference(x, weight, bias, EPSILON)
    expected = np.clip(z + residual if with_residual else z, 0, 6)
    assert (expected == 6).any() and (expected == 0).any()
    y, *statistics = ops.norm_block(x, weight, bias, EPSILON, added, relu6=True)
    assert_close(y, expected, dtype)
    dz = dy * (y > 0) * (y < 6)
    right = ops.batch_norm_backward.reference(dz, x, weight, mean, variance, EPSILON)
    *gradients, dresidual = ops.norm_block_backward(
        dy, x, y, weight, *statistics, EPSILON, residual=with_residual, relu6=True
    )
    for got, wanted in zip(gradients, right, strict=True):
        assert_close(got, wanted, dtype)
    if with_residual:
        np.testing.assert_array_equal(dresidual, dz)


def test_batch_norm_in_inference_equals_the_loops(arrays, mode, dtype, rng):
    dy, x, _, weight, bias = arrays
    mean, variance = (rng.standard_normal(weight.shape) * 2).astype(dtype), rng.random(weight.shape).astype(dtype) + 1
    y = call_keeping(ops.batch_norm_inference, x, weight, bias, mean, variance, EPSILON)
    assert_close(y, batch_norm.batch_norm_inference(x, weight, bias, mean, variance, EPSILON), dtype)
    gradients = call_keeping(ops.batch_norm_inference_backward, dy, x, weight, mean, variance, EPSILON)
    expected = batch_norm.batch_norm_inference_backward(dy, x, weight, mean, variance, EPSILON)
    close(gradients, expected, dtype, NAMES[:3])


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("with_residual", [True, False])
def test_a_norm_block_equals_the_loops(arrays, with_residual, relu, mode, dtype):
    dy, x, residual, weight, bias = arrays
    residual = residual if with_residual else None
    y, mean, variance = call_keeping(ops.norm_block, x, weight, bias, EPSILON, residual, relu)
    expected = norm_block.norm_block(x, weight, bias, EPSILON, residual, relu)
    close((y, mean, variance), expected, dtype, ("y", "mean", "variance"))
    backward = call_keeping(ops.norm_block_backward, dy, x, y, weight, mean, variance, EPSILON, relu, with_residual)
    dx, dweight, dbias, dresidual = backward
    right = norm_block.norm_block_backward(dy, x, y, weight, EPSILON, relu)
    assert_remainder(dx, right[0], weight / np.sqrt(variance + EPSILON) * dy, dtype)
    close((dweight, dbias), right[1:3], dtype, NAMES[1:3])
    assert (dresidual is None) == (not with_residual)
    if with_residual:
        np.testing.assert_array_equal(dresidual, right[3].astype(dtype))


def test_layer_norm_equals_the_loops(arrays, mode, dtype):
    dy, x, _, weight, bias = arrays
    if weight.size == 1:  # one number a row: y is the bias, whatever x is
        np.testing.assert_array_equal(ops.layer_norm(x, weight, bias, EPSILON)[0], np.broadcast_to(bias, x.shape))
        return
    for shape in (x.shape, (-1, x.shape[3])):  # pictures, and vectors
        values, gradient = x.reshape(shape), dy.reshape(shape)
        y, mean, variance = call_keeping(ops.layer_norm, values, weight, bias, EPSILON)
        close(
            (y, mean, variance), layer_norm.layer_norm(values, weight, bias, EPSILON), dtype, ("y", "mean", "variance")
        )
        gradients = call_keeping(ops.layer_norm_backward, gradient, values, weight, mean, variance, EPSILON)
        close(gradients, layer_norm.layer_norm_backward(gradient, values, weight, EPSILON), dtype, NAMES[:3])


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("alpha, beta, k", [(1e-4, 0.75, 1.0), (0.7, 0.75, 2.0), (1.3, 0.6, 0.5)])
def test_local_response_norm_equals_the_loops(arrays, size, alpha, beta, k, mode, dtype):
    dy, x, *_ = arrays
    settings = (size, alpha, beta, k)
    assert_close(
        call_keeping(ops.local_response_norm, x, *settings),
        local_response_norm.local_response_norm(x, *settings),
        dtype,
    )
    dx = call_keeping(ops.local_response_norm_backward, dy, x, *settings)
    assert_close(dx, local_response_norm.local_response_norm_backward(dy, x, *settings), dtype, "dx")


# ---- digits ---------------------------------------------------------------------------------------------------------


def relative(got, exact):
    return float(np.max(np.abs(got.astype("float64") - exact) / np.abs(exact)))


def test_statistics_of_three_million_pixels_keep_their_digits(mode):
    """A plain sum in float32 of so many numbers is off by a per cent and more."""
    rng = np.random.default_rng(0)
    x = rng.random((64, 222, 222, 2), dtype="float32")
    x[..., 0] = np.float32(0.1)
    x[0, 0, 0, 0] = 7
    x[..., 1] += 1000
    one, zero = np.ones(2, "float32"), np.zeros(2, "float32")
    _, mean, variance = ops.batch_norm(x, one, zero, EPSILON)
    exact = x.astype("float64")
    exact_mean, exact_variance = exact.mean(axis=(0, 1, 2)), exact.var(axis=(0, 1, 2))
    assert relative(mean, exact_mean) < 1e-6
    assert relative(variance, exact_variance) < 1e-6
    dy = np.full_like(x, 0.1)
    _, dweight, dbias = ops.batch_norm_backward(dy * x, x, one, mean, variance, EPSILON)
    exact_dy = (dy * x).astype("float64")
    x_hat = (exact - exact_mean) / np.sqrt(exact_variance + EPSILON)
    assert relative(dbias, exact_dy.sum(axis=(0, 1, 2))) < 1e-6
    assert relative(dweight, (exact_dy * x_hat).sum(axis=(0, 1, 2))) < 1e-6
    _, dweight, dbias = ops.batch_norm_inference_backward(dy, x, one, zero, one, EPSILON)
    assert relative(dbias, np.full(2, np.float64(np.float32(0.1)) * 64 * 222 * 222)) < 1e-6


def test_a_first_pixel_that_is_like_no_other_costs_no_digits(mode, dtype, rng):
    x = rng.standard_normal((4, 9, 7, 5)).astype(dtype)
    x[0, 0, 0] = 1e4
    weight, bias = np.ones(5, dtype), np.zeros(5, dtype)
    close(
        ops.batch_norm(x, weight, bias, EPSILON),
        batch_norm.batch_norm(x, weight, bias, EPSILON), dtype, ("y", "mean", "variance"),
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_channel_of_equal_numbers_becomes_the_bias(mode, dtype, count, monkeypatch):
    """The variance is 0, or what rounding leaves of it, never below."""
    monkeypatch.setattr(threads, "_threads", count)
    x = np.full((3, 7, 5, 2), 1000.1, dtype)
    weight, bias = np.array([1, 2], dtype), np.array([0.5, -3], dtype)
    y, mean, variance = ops.batch_norm(x, weight, bias, EPSILON)
    np.testing.assert_allclose(y, np.broadcast_to(bias, x.shape), atol=1e-7)
    np.testing.assert_allclose(mean, x[0, 0, 0], rtol=1e-14)
    assert np.all((variance >= 0) & (variance < 1e-12))


def test_nan_stays_in_its_channel(mode, dtype, rng):
    x = rng.standard_normal((2, 3, 4, 3)).astype(dtype)
    x[1, 2, 0, 1] = np.nan
    weight, bias = np.ones(3, dtype), np.zeros(3, dtype)
    y, mean, variance = ops.norm_block(x, weight, bias, EPSILON, None, True)
    for result in (y, mean, variance):
        assert np.isnan(result[..., 1]).all() and not np.isnan(result[..., [0, 2]]).any()
    assert np.isnan(ops.batch_norm_inference(x, weight, bias, bias, weight, EPSILON)).sum() == 1
    assert np.isnan(ops.layer_norm(x, weight, bias, EPSILON)[0]).sum() == 3


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_one_value_a_channel_is_refused_in_training(mode):
    x, one = np.zeros((1, 1, 1, 3)), np.ones(3)
    with pytest.raises(ShapeError, match=r"needs more than one value a channel, but gets x \(1, 1, 1, 3\)"):
        ops.batch_norm(x, one, one, EPSILON)
    with pytest.raises(ShapeError, match="norm_block in training needs more than one value a channel"):
        ops.norm_block(x, one, one, EPSILON)
    with pytest.raises(ShapeError, match="more than one value a channel"):
        ops.batch_norm(np.zeros((0, 4, 4, 3)), one, one, EPSILON)
    assert ops.batch_norm_inference(x, one, one, one, one, EPSILON).shape == x.shape


@pytest.mark.parametrize(
    "call",
    [
        lambda x, c: ops.batch_norm(x[0], c, c, EPSILON),
        lambda x, c: ops.batch_norm(x, c[:2], c, EPSILON),
        lambda x, c: ops.batch_norm(x, c, c.reshape(1, 3), EPSILON),
        lambda x, c: ops.batch_norm_backward(x[:1], x, c, c, c, EPSILON),
        lambda x, c: ops.batch_norm_backward(x, x, c, c, c[:1], EPSILON),
        lambda x, c: ops.batch_norm_inference(x, c, c, c[:1], c, EPSILON),
        lambda x, c: ops.batch_norm_inference_backward(x[:, 1:], x, c, c, c, EPSILON),
        lambda x, c: ops.norm_block(x, c, c, EPSILON, x[:1]),
        lambda x, c: ops.norm_block_backward(x, x, x[:1], c, c, c, EPSILON),
        lambda x, c: ops.layer_norm(x, c[:1], c, EPSILON),
        lambda x, c: ops.layer_norm(c, c, c, EPSILON),
        lambda x, c: ops.layer_norm_backward(x, x, c, x[..., 0], x[..., :1], EPSILON),
        lambda x, c: ops.local_response_norm(x[0]),
        lambda x, c: ops.local_response_norm_backward(x[:1], x),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(call, mode, rng):
    with pytest.raises(ShapeError, match="these shapes do not belong together"):
        call(rng.standard_normal((2, 4, 5, 3)), np.ones(3))


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_a_window_that_is_no_number_of_channels_is_refused(size, mode):
    with pytest.raises(ShapeError, match=r"size=.* should be a whole number of at least 1"):
        ops.local_response_norm(np.zeros((1, 2, 2, 3)), size)


@pytest.mark.parametrize("settings", [{"k": 0.0}, {"k": "a"}, {"alpha": -1.0}, {"beta": np.inf}], ids=str)
def test_settings_that_may_divide_by_zero_are_refused(settings, mode):
    x = np.zeros((1, 2, 2, 3))
    with pytest.raises(UsageError, match=f"{next(iter(settings))}=.* should be"):
        ops.local_response_norm(x, **settings)
    with pytest.raises(UsageError, match=f"{next(iter(settings))}=.* should be"):
        ops.local_response_norm_backward(x, x, **settings)


def test_dtypes_are_not_mixed_and_integers_not_averaged(mode):
    x, single = np.zeros((2, 4, 4, 3)), np.ones(3, "float32")
    with pytest.raises(TypeError, match="batch_norm: these dtypes differ: x float64, weight float32, bias float32"):
        ops.batch_norm(x, single, single, EPSILON)
    with pytest.raises(TypeError, match="norm_block: these dtypes differ: x float32, residual float64"):
        ops.norm_block(x.astype("float32"), single, single, EPSILON, x)
    whole = np.ones(3, int)
    with pytest.raises(TypeError, match="batch_norm computes in float32 or float64, but gets int64"):
        ops.batch_norm(x.astype(int), whole, whole, EPSILON)
    with pytest.raises(TypeError, match="layer_norm computes in float32 or float64, but gets int64"):
        ops.layer_norm(x.astype(int), whole, whole, EPSILON)
