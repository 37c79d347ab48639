"""A fused block equals its layers run one by one, by the slow loops, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import event

from minicnn import ops, use_kernels
from minicnn.errors import ShapeError
from minicnn.loops import conv_block as loops
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from tests.comparison import assert_close, call_keeping

NO_PADDING = ((0, 0), (0, 0))
POOL_2 = Pooling((2, 2), (2, 2), NO_PADDING)
POOL_3 = Pooling((3, 3), (2, 2), NO_PADDING)
RELU_AND_POOL = Convolution(), Epilogue(relu=True, pool=POOL_2)
# x, filters, kernel, stride, padding, pool
BLOCKS = {
    "3x3, pool 2": ((2, 9, 10, 3), 4, (3, 3), (1, 1), NO_PADDING, POOL_2),
    "3x3, pool 2, odd": ((2, 8, 11, 5), 7, (3, 3), (1, 1), NO_PADDING, POOL_2),
    "3x3 padded, pool 2": ((1, 8, 8, 3), 4, (3, 3), (1, 1), ((1, 1), (1, 1)), POOL_2),
    "3x3, no pool": ((2, 7, 6, 4), 5, (3, 3), (1, 1), NO_PADDING, None),
    "5x5 same, pool 2": ((2, 8, 9, 3), 4, (5, 5), (1, 1), ((2, 2), (2, 2)), POOL_2),
    "strided, pool 3 by 2": ((1, 19, 18, 3), 4, (7, 7), (2, 2), ((3, 3), (3, 3)), POOL_3),
    "strided 3x3, pool 3 by 2": ((2, 14, 13, 4), 6, (3, 3), (2, 2), ((1, 1), (1, 1)), POOL_3),
    "padded pool": ((1, 7, 8, 2), 3, (3, 3), (1, 1), NO_PADDING, Pooling((3, 3), (2, 2), ((1, 1), (0, 1)))),
    "pool 2 over the edges": ((2, 11, 9, 3), 4, (3, 3), (1, 1), NO_PADDING, Pooling((2, 2), (2, 2), ((0, 1), (0, 1)))),
    "pool 2 over the right edge": (
        (2, 8, 11, 3), 16, (1, 3), (1, 1), NO_PADDING, Pooling((2, 2), (2, 2), ((0, 0), (0, 1))),
    ),
    "many channels, pool 2 over the edges": (
        (1, 35, 33, 16), 8, (3, 3), (1, 1), NO_PADDING, Pooling((2, 2), (2, 2), ((0, 1), (0, 1))),
    ),
    "1x1 padded below": ((2, 3, 4, 3), 6, (1, 1), (1, 1), ((0, 1), (0, 0)), None),
    "1x1, no pool": ((2, 4, 5, 3), 6, (1, 1), (1, 1), NO_PADDING, None),
    "even kernel": ((2, 7, 7, 2), 3, (2, 4), (1, 1), ((0, 1), (1, 2)), POOL_2),
}  # fmt: skip


def arrays(block, dtype, rng):
    x_shape, filters, kernel, *_ = block
    shapes = (x_shape, (*kernel, x_shape[3], filters), (filters,))
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "linear"])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_equals_its_layers_one_by_one(name, relu, mode, dtype, rng):
    *_, stride, padding, pool = BLOCKS[name]
    settings = Convolution(stride, padding), Epilogue(relu, pool)
    x, weight, bias = arrays(BLOCKS[name], dtype, rng)
    expected, expected_argmax = loops.conv_block(x, weight, bias, *settings)

    y, argmax = call_keeping(ops.conv_block, x, weight, bias, *settings)
    assert_close(y, expected, dtype, "y")
    if pool is None:
        assert argmax is None
    else:
        # A window that ReLU has emptied has no maximum to speak of: all are 0, and none gets a gradient.
        alive = expected > 0 if relu else np.ones(expected.shape, bool)
        np.testing.assert_array_equal(argmax[alive], expected_argmax[alive])

    dy = rng.standard_normal(y.shape).astype(dtype)
    gradients = call_keeping(ops.conv_block_backward, dy, x, weight, y, argmax, *settings)
    right = loops.conv_block_backward(dy, x, weight, bias, *settings)
    for what, got, expected_gradient in zip(("dx", "dweight", "dbias"), gradients, right, strict=True):
        assert_close(got, expected_gradient, dtype, what)

    without = call_keeping(ops.conv_block_backward, dy, x, weight, y, argmax, *settings, input_gradient=False)
    assert without[0] is None
    assert_close(without[1], right[1], dtype, "dweight without dx")


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "linear"])
@pytest.mark.parametrize("added", [True, False], ids=["residual", "no residual"])
@pytest.mark.parametrize("scaled", [True, False], ids=["scale", "no scale"])
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("name", ["3x3, no pool", "1x1, no pool", "3x3, pool 2", "strided, pool 3 by 2"])
def test_scale_and_residual_stand_between_convolution_and_relu(name, biased, scaled, added, relu, mode, dtype, rng):
    *_, stride, padding, pool = BLOCKS[name]
    x, weight, bias = arrays(BLOCKS[name], dtype, rng)
    scale = rng.standard_normal(bias.shape).astype(dtype) if scaled else None
    settings = Convolution(stride, padding), Epilogue(relu, pool)
    z = loops.before_activation(x, weight, None, settings[0])
    residual = rng.standard_normal(z.shape).astype(dtype) if added else None
    expected, expected_argmax = loops.conv_block(x, weight, bias if biased else None, *settings, scale, residual)
    y, argmax = call_keeping(ops.conv_block, x, weight, bias if biased else None, *settings, scale, residual)
    assert_close(y, expected, dtype, "y")
    if pool is not None:
        alive = expected > 0 if relu else np.ones(expected.shape, bool)
        np.testing.assert_array_equal(argmax[alive], expected_argmax[alive])


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "linear"])
@pytest.mark.parametrize("name", BLOCKS)
def test_without_indices_y_is_the_same_bit_by_bit(name, relu, mode, dtype, rng):
    *_, stride, padding, pool = BLOCKS[name]
    x, weight, bias = arrays(BLOCKS[name], dtype, rng)
    x[0, 1, 1, 0] = np.nan
    settings = Convolution(stride, padding), Epilogue(relu, pool)
    expected, _ = ops.conv_block(x, weight, bias, *settings)
    y, argmax = ops.conv_block(x, weight, bias, *settings, indices=False)
    assert argmax is None
    np.testing.assert_array_equal(y, expected)


@given(
    size=st.tuples(st.integers(6, 15), st.integers(6, 15)),
    kernel=st.sampled_from([1, 2, 3, 5]),
    stride=st.integers(1, 2),
    padding=st.tuples(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.tuples(st.integers(0, 2), st.integers(0, 2))),
    channels=st.sampled_from([1, 3, 8]),
    filters=st.sampled_from([1, 4, 16]),
    pool=st.sampled_from([None, (2, 2), (3, 2), (2, 1)]),
)
def test_both_modes_agree_for_any_block(size, kernel, stride, padding, channels, filters, pool):
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        x = rng.standard_normal((2, *size, channels)).astype(dtype)
        weight = rng.standard_normal((kernel, kernel, channels, filters)).astype(dtype)
        bias = rng.standard_normal(filters).astype(dtype)
        z = ops.conv2d.reference(x, weight, bias, (stride, stride), padding)
        if pool is not None and min(z.shape[1:3]) < pool[0]:
            pool = None
        pooling_there = Pooling((pool[0],) * 2, (pool[1],) * 2) if pool else None
        settings = Convolution((stride, stride), padding), Epilogue(True, pooling_there)
        results = {}
        for mode in ("reference", "fast"):
            with use_kernels(mode):
                y, argmax = ops.conv_block(x, weight, bias, *settings)
                dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
                results[mode] = (y, *ops.conv_block_backward(dy, x, weight, y, argmax, *settings))
        for got, right in zip(results["fast"], results["reference"], strict=True):
            assert_close(got, right, dtype)


def test_ties_go_to_the_first_and_gradients_with_them(mode, dtype):
    """A constant picture makes every window a tie: its first pixel is the maximum and takes the whole gradient."""
    x = np.ones((1, 6, 6, 1), dtype)
    weight, bias = np.ones((3, 3, 1, 2), dtype), np.zeros(2, dtype)
    y, argmax = ops.conv_block(x, weight, bias, *RELU_AND_POOL)
    assert (y == 9).all()
    assert (argmax == 0).all()


def test_nan_is_not_hidden_by_relu_or_pool(mode, dtype, rng):
    x = rng.standard_normal((1, 8, 8, 3)).astype(dtype)
    x[0, 3, 3, 0] = np.nan
    weight, bias = rng.standard_normal((3, 3, 3, 4)).astype(dtype), np.zeros(4, dtype)
    y, _ = ops.conv_block(x, weight, bias, *RELU_AND_POOL)
    assert np.isnan(y[0, :2, :2]).all()
    assert np.isfinite(y[0, 2, 2]).all()


def test_an_empty_batch_gives_empty_results(mode, rng):
    x, weight, bias = arrays(((0, 8, 8, 3), 4, (3, 3)), "float32", rng)
    y, argmax = ops.conv_block(x, weight, bias, *RELU_AND_POOL)
    assert y.shape == argmax.shape == (0, 3, 3, 4)
    dx, dweight, dbias = ops.conv_block_backward(y, x, weight, y, argmax, *RELU_AND_POOL)
    assert dx.shape == x.shape
    assert not dweight.any()
    assert not dbias.any()


def test_an_argmax_of_another_shape_is_refused(mode, rng):
    x, weight, bias = arrays(((1, 8, 8, 3), 4, (3, 3)), "float32", rng)
    y, argmax = ops.conv_block(x, weight, bias, *RELU_AND_POOL)
    with pytest.raises(ShapeError, match="argmax"):
        ops.conv_block_backward(y, x, weight, y, argmax[:, :2], *RELU_AND_POOL)


def test_a_missing_argmax_is_refused(mode, rng):
    x, weight, bias = arrays(((1, 8, 8, 3), 4, (3, 3)), "float32", rng)
    y, _ = ops.conv_block(x, weight, bias, *RELU_AND_POOL)
    with pytest.raises(ShapeError, match="argmax None"):
        ops.conv_block_backward(y, x, weight, y, None, *RELU_AND_POOL)


def test_groups_and_dilation_are_the_convolution_s(mode, dtype, rng):
    x, weight, bias = (rng.standard_normal(s).astype(dtype) for s in ((2, 9, 8, 4), (3, 2, 2, 6), (6,)))
    settings = Convolution((2, 1), (1, 0), groups=2, dilation=(1, 3)), Epilogue(relu=True)
    z = ops.conv2d.reference(x, weight, bias, *settings[0])
    y, argmax = ops.conv_block(x, weight, bias, *settings)
    assert_close(y, np.maximum(z, 0), dtype, "y")
    dy = rng.standard_normal(y.shape).astype(dtype)
    stride, padding, groups, dilation = settings[0]
    right = ops.conv2d_backward.reference(dy * (y > 0), x, weight, stride, padding, True, groups, dilation)
    gradients = ops.conv_block_backward(dy, x, weight, y, argmax, *settings)
    for what, got, expected in zip(("dx", "dweight", "dbias"), gradients, right, strict=True):
        assert_close(got, expected, dtype, what)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("groups", [1, 4], ids=["ordinary", "depthwise"])
@pytest.mark.parametrize("size", [1, 3])
def test_relu6_and_a_scale_behind_any_convolution(size, groups, scaled, mode, dtype, rng):
    x, weight = 4 * rng.standard_normal((3, 7, 6, 4)), rng.standard_normal((size, size, 4 // groups, 4))
    bias, scale, dy = rng.standard_normal(4), 3 * rng.standard_normal(4), rng.standard_normal((3, 7, 6, 4))
    x, weight, bias, scale, dy = (array.astype(dtype) for array in (x, weight, bias, scale, dy))
    settings = Convolution(padding=(size // 2, size // 2), groups=groups), Epilogue(relu6=True)
    z = ops.conv2d.reference(x, weight, None, *settings[0])
    y, argmax = ops.conv_block(x, weight, bias, *settings, scale if scaled else None)
    expected = np.clip((z * scale if scaled else z) + bias, 0, 6)
    assert (expected == 6).any() and (expected == 0).any()
    assert_close(y, expected, dtype, "y")
    if not scaled:
        right = ops.conv2d_backward.reference(dy * (y > 0) * (y < 6), x, weight, *settings[0][:2], True, groups)
        gradients = ops.conv_block_backward(dy, x, weight, y, argmax, *settings)
        for what, got, wanted in zip(("dx", "dweight", "dbias"), gradients, right, strict=True):
            assert_close(got, wanted, dtype, what)


@pytest.mark.parametrize("epilogue", [Epilogue(), Epilogue(relu=True)])
def test_a_pixelwise_convolution_of_many_pictures(epilogue, mode, dtype, rng):
    """They are convolved as one tall picture: with a residual, and backwards."""
    x, weight, residual, dy = (
        rng.standard_normal(shape).astype(dtype) for shape in ((5, 4, 3, 6), (1, 1, 6, 2), (5, 4, 3, 2), (5, 4, 3, 2))
    )
    z = np.tensordot(x, weight[0, 0], axes=1)
    y, _ = ops.conv_block(x, weight, None, Convolution(), epilogue, None, residual)
    assert_close(y, np.maximum(z + residual, 0) if epilogue.relu else z + residual, dtype)
    y, argmax = ops.conv_block(x, weight, None, Convolution(), epilogue)
    dz = dy * (y > 0) if epilogue.relu else dy
    dx, dweight, dbias = ops.conv_block_backward(dy, x, weight, y, argmax, Convolution(), epilogue)
    assert_close(dx, np.tensordot(dz, weight[0, 0].T, axes=1), dtype)
    assert_close(dweight[0, 0], np.tensordot(x, dz, axes=([0, 1, 2], [0, 1, 2])), dtype)
    assert_close(dbias, dz.sum(axis=(0, 1, 2)), dtype)


@pytest.mark.parametrize("wrong", ["bias", "scale", "residual"])
def test_a_row_or_residual_of_another_shape_is_refused(wrong, mode, rng):
    x, weight, _ = arrays(((1, 8, 8, 3), 4, (3, 3)), "float32", rng)
    given = {name: np.ones(shape, "float32") for name, shape in (("bias", 4), ("scale", 4), ("residual", (1, 6, 6, 4)))}
    given[wrong] = given[wrong][..., :1]  # NumPy would broadcast it
    with pytest.raises(ShapeError, match=wrong):
        ops.conv_block(x, weight, convolution=Convolution(), epilogue=Epilogue(), **given)


def test_dtypes_that_differ_are_refused(mode, rng):
    x, weight, bias = arrays(((1, 8, 8, 3), 4, (3, 3)), "float32", rng)
    with pytest.raises(TypeError, match="scale float64"):
        ops.conv_block(x, weight, bias, *RELU_AND_POOL, scale=np.ones(4))
    y, argmax = ops.conv_block(x, weight, bias, *RELU_AND_POOL)
    with pytest.raises(TypeError, match="dy float64"):
        ops.conv_block_backward(y.astype("float64"), x, weight, y, argmax, *RELU_AND_POOL)


def test_a_picture_without_its_batch_is_refused_by_its_shape(mode, rng):
    x, weight, bias = arrays(((1, 8, 8, 3), 4, (3, 3)), "float32", rng)
    for pool in (None, POOL_2):
        settings = Convolution(), Epilogue(True, pool)
        y, argmax = ops.conv_block(x, weight, bias, *settings)
        with pytest.raises(ShapeError, match=r"conv2d.*x \(8, 8, 3\)"):
            ops.conv_block(x[0], weight, bias, *settings)
        with pytest.raises(ShapeError, match=r"conv_block_backward.*x \(8, 8, 3\)"):
            ops.conv_block_backward(y, x[0], weight, y, argmax, *settings)
    with pytest.raises(ShapeError, match=r"conv2d.*weight \(3, 3, 3\)"):
        ops.conv2d(x, weight[..., 0], bias)
    with pytest.raises(ShapeError, match=r"im2col.*x \(8, 8, 3\)"):
        ops.im2col(x[0], (3, 3), (1, 1), NO_PADDING)


@pytest.mark.parametrize("wrong", [(1.0, 1.0), (True, True), np.array([1, 1])], ids=repr)
def test_what_equals_a_setting_that_was_used_but_is_no_whole_number_is_refused(wrong, mode, rng):
    x, weight, bias = arrays(((1, 8, 8, 3), 4, (3, 3)), "float32", rng)
    ops.conv2d(x, weight, bias, (1, 1), (1, 1))
    with pytest.raises(ShapeError, match="stride="):
        ops.conv2d(x, weight, bias, wrong, (1, 1))
    with pytest.raises(ShapeError, match="padding="):
        ops.conv2d(x, weight, bias, (1, 1), wrong)


def test_nothing_is_compiled_anew_for_another_form_of_the_same_call(rng):
    x, weight, bias = arrays(((2, 8, 8, 3), 4, (3, 3)), "float32", rng)
    one, two = np.int32(1), np.int32(2)
    usual = RELU_AND_POOL
    unusual = (
        Convolution((one, one), ((np.int64(0), 0), (0, 0)), one, (1, one)),
        Epilogue(1, Pooling((two, two), (2, two), (np.uint8(0), 0))),
    )
    pool, unusual_pool = ((2, 2), (2, 2), (0, 0)), ((two, two), (two, two), (one - one, 0))

    def results(block, window, argmax_dtype):
        y, argmax = ops.conv_block(x, weight, bias, *block)
        given = (y, argmax.astype(argmax_dtype))
        columns = ops.im2col(x, *window)
        return [
            *(y, argmax, *ops.conv_block_backward(y, x, weight, *given, *block)),
            *(*ops.max_pool2d(x, *window), ops.max_pool2d_backward(y, given[1], (2, 6, 6, 4), *window)),
            *(ops.avg_pool2d(x, *window), ops.avg_pool2d_backward(y, (2, 6, 6, 4), *window)),
            *(columns, ops.col2im(columns, x.shape, *window)),
        ]

    expected = results(usual, pool, "uint8")
    with event.install_recorder("numba:compile") as recorder:
        for argmax_dtype in ("uint8", "int64"):
            got = results(unusual, unusual_pool, argmax_dtype)
            for same, right in zip(got, expected, strict=True):
                np.testing.assert_allclose(same, right, rtol=1e-4, atol=1e-5)
    assert recorder.buffer == []


def test_settings_may_be_lists(mode, rng):
    x, weight, bias = arrays(((1, 6, 6, 3), 4, (3, 3)), "float32", rng)
    expected = ops.conv2d(x, weight, bias, (2, 2), ((1, 0), (0, 1)))
    np.testing.assert_array_equal(ops.conv2d(x, weight, bias, [2, 2], [[1, 0], [0, 1]]), expected)


@settings(max_examples=40)
@given(data=st.data())
def test_any_pool_behind_any_convolution(data):
    draw = data.draw
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    size, pool_stride = draw(pairs), draw(pairs)
    pool_padding = tuple((draw(st.integers(0, s - 1)), draw(st.integers(0, s - 1))) for s in size)
    block = ((2, draw(st.integers(6, 14)), draw(st.integers(6, 14)), draw(st.sampled_from([3, 9]))), 5, (3, 3))
    x, weight, bias = arrays(block, "float32", np.random.default_rng(draw(st.integers(0, 99))))
    how = Convolution(), Epilogue(True, Pooling(size, pool_stride, pool_padding))
    y, argmax = ops.conv_block(x, weight, bias, *how)
    expected, _ = ops.conv_block.reference(x, weight, bias, *how)
    assert_close(y, expected, "float32", "y")
    for fast, slow in zip(
        ops.conv_block_backward(y, x, weight, y, argmax, *how),
        ops.conv_block_backward.reference(y, x, weight, y, argmax, *how),
        strict=True,
    ):
        assert_close(fast, slow, "float32", "gradient")


def test_a_setting_that_equals_one_that_fitted_is_still_refused(rng):
    """As keys of a cache 1, 1.0 and True are equal; as numbers of pixels they are not."""
    x, weight = rng.standard_normal((1, 6, 6, 2)), rng.standard_normal((3, 3, 2, 4))
    for _ in range(2):
        ops.conv_block(x, weight, None, Convolution((1, 1), (0, 0)), Epilogue(True))
    for wrong in ((1.0, 1), (True, 1)):
        with pytest.raises(ShapeError, match="stride"):
            ops.conv_block(x, weight, None, Convolution(wrong, (0, 0)), Epilogue(True))
    with pytest.raises(ShapeError):
        ops.conv_block(x[..., :1], weight, None, Convolution((1, 1), (0, 0)), Epilogue(True))
