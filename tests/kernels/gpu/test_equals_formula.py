"""Every GPU kernel gives what its formula gives on the CPU, over all geometries and with threads in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicnn import ops
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from tests.comparison import assert_close
from tests.kernels.gpu.conftest import LAYOUTS, Device
from tests.ops.activations import ACTIVATIONS
from tests.ops.calls import CALLS, IN_PLACE, kept_for_backward
from tests.ops.cases import CONVOLUTIONS, POOLING_WINDOWS

WITH_KERNEL = sorted(name for name in CALLS if getattr(ops, name).twin("gpu") is not None)

Check = Callable[..., None]


@pytest.fixture
def check(device: Device) -> Check:
    """Return a function that compares a kernel with its formula: check(name, host arguments, dtype[, layout]).

    layout: one of LAYOUTS, for all arrays but those that the operation changes.
    """

    def compare(name: str, arguments: tuple[Any, ...], dtype: str, layout: str | None = None) -> None:
        operation = getattr(ops, name)
        device_arguments = tuple(device.array(a) if isinstance(a, np.ndarray) else a for a in arguments)
        if layout is not None:
            device_arguments = tuple(
                LAYOUTS[layout](device.array, host)
                if isinstance(host, np.ndarray) and position not in IN_PLACE.get(name, ())
                else argument
                for position, (argument, host) in enumerate(zip(device_arguments, arguments, strict=True))
            )
        got = operation.twin("gpu")(*device_arguments)  # not through the dispatch, which would let it step aside
        assert got is not NotImplemented, f"{name} has no kernel for this"
        expected = operation.reference(*arguments)
        if name in IN_PLACE:
            assert got is None
            changed = [i for i in IN_PLACE[name] if arguments[i] is not None]
            got, expected = tuple(device_arguments[i] for i in changed), tuple(arguments[i] for i in changed)
        got = got if isinstance(got, tuple) else (got,)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for place, (ours, right) in enumerate(zip(got, expected, strict=True)):
            assert (ours is None) == (right is None)
            if right is not None:
                assert isinstance(ours, device.Array)
                assert_equal(ours.get(), np.asarray(right), dtype, f"result {place} of {name}")

    return compare


def assert_equal(ours: np.ndarray, right: np.ndarray, dtype: str, what: str) -> None:
    finite = ~np.isinf(right) if right.dtype.kind == "f" else np.zeros(right.shape, bool)
    assert ours.dtype == (dtype if finite.any() else right.dtype), what
    np.testing.assert_array_equal(np.where(finite, 0, ours), np.where(finite, 0, right), err_msg=what)
    if finite.any():
        assert_close(np.where(finite, ours, ours.dtype.type(0)), np.where(finite, right, 0), dtype, what)


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_every_operation(check, name, dtype, thread_order, rng):
    check(name, CALLS[name](rng, dtype), dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", WITH_KERNEL)
def test_arrays_in_any_memory_layout(check, name, layout, dtype, rng):
    check(name, CALLS[name](rng, dtype), dtype, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "name, position", [(name, position) for name in IN_PLACE if name in WITH_KERNEL for position in IN_PLACE[name]]
)
def test_an_array_that_is_not_contiguous_is_changed_by_the_formula(device, name, position, layout, dtype, rng):
    operation, host = getattr(ops, name), CALLS[name](rng, dtype)
    arguments = [device.array(a) if isinstance(a, np.ndarray) else a for a in host]
    arguments[position] = LAYOUTS[layout](device.array, host[position])
    assert operation.twin("gpu")(*arguments) is NotImplemented
    operation(*arguments)
    operation.reference(*host)
    for changed in IN_PLACE[name]:
        assert_close(arguments[changed].get(), host[changed], dtype, f"argument {changed} of {name}")


@pytest.mark.parametrize("relu, pool", [(False, None), (True, Pooling((3, 2), (2, 1), (1, 0)))])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_in_any_memory_layout(check, layout, relu, pool, dtype, rng):
    x, weight, bias = (rng.standard_normal(s).astype(dtype) for s in ((2, 7, 6, 3), (3, 2, 3, 4), (4,)))
    settings = Convolution(padding=(1, 0)), Epilogue(relu, pool)
    y, argmax = ops.conv_block.reference(x, weight, bias, *settings)
    dy = rng.standard_normal(y.shape).astype(dtype)
    check("conv_block", (x, weight, bias, *settings), dtype, layout)
    check("conv_block_backward", (dy, x, weight, y, argmax, *settings), dtype, layout)


@pytest.mark.parametrize("window", CONVOLUTIONS, ids=str)
def test_columns(check, window, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    columns = ops.im2col.reference(x, *window.columns)
    check("im2col", (x, *window.columns), dtype)
    check("col2im", (rng.standard_normal(columns.shape).astype(dtype), x.shape, *window.columns), dtype)


def convolution_arrays(window, dtype, rng):
    """Return x, weight, bias and dy for a convolution over `window`."""
    x = rng.standard_normal(window.x_shape).astype(dtype)
    weight = rng.standard_normal(window.weight_shape).astype(dtype)
    bias = rng.standard_normal(window.filters).astype(dtype)
    y = ops.conv2d.reference(x, weight, bias, **window.convolution)
    return x, weight, bias, rng.standard_normal(y.shape).astype(dtype)


@pytest.mark.parametrize(
    "window", [window for window in CONVOLUTIONS if window.groups in (1, window.x_shape[3])], ids=str
)
def test_convolution(check, window, dtype, rng):
    x, weight, bias, dy = convolution_arrays(window, dtype, rng)
    stride, padding, groups, dilation = window.convolution.values()
    check("conv2d", (x, weight, bias, stride, padding, groups, dilation), dtype)
    check("conv2d", (x, weight, None, stride, padding, groups, dilation), dtype)
    check("conv2d_backward", (dy, x, weight, stride, padding, True, groups, dilation), dtype)
    check("conv2d_backward", (dy, x, weight, stride, padding, False, groups, dilation), dtype)


@pytest.mark.parametrize(
    "window", [window for window in CONVOLUTIONS if window.groups not in (1, window.x_shape[3])], ids=str
)
def test_groups_are_convolved_one_after_the_other(device, window, dtype, rng):
    x, weight, bias, dy = convolution_arrays(window, dtype, rng)
    on_device = [device.array(a) for a in (x, weight, bias, dy)]
    y = ops.conv2d(*on_device[:3], **window.convolution)
    assert_close(y.get(), ops.conv2d.reference(x, weight, bias, **window.convolution), dtype, "y")
    gradients = ops.conv2d_backward(on_device[3], *on_device[:2], **window.convolution)
    expected = ops.conv2d_backward.reference(dy, x, weight, **window.convolution)
    for name, ours, right in zip(("dx", "dweight", "dbias"), gradients, expected, strict=True):
        assert_close(ours.get(), right, dtype, name)


@pytest.mark.parametrize("window", POOLING_WINDOWS, ids=str)
def test_pooling(check, window, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    y, argmax = ops.max_pool2d.reference(x, *window.geometry)
    dy = rng.standard_normal(y.shape).astype(dtype)
    check("max_pool2d", (x, *window.geometry), dtype)
    check("max_pool2d", (x, *window.geometry, False), dtype)
    check("max_pool2d_backward", (dy, argmax, x.shape, *window.geometry), dtype)
    check("avg_pool2d", (x, *window.geometry), dtype)
    check("avg_pool2d_backward", (dy, x.shape, *window.geometry), dtype)


def test_of_equal_numbers_the_first_wins_and_nan_wins_over_all(check, dtype):
    ties = np.array([[0, 3, 3, 0], [3, 3, 0, 0], [1, 1, np.nan, 5], [1, 1, 7, np.nan]], dtype).reshape(1, 4, 4, 1)
    nothing = np.full((1, 4, 4, 1), -np.inf, dtype)
    for x in (ties, nothing, np.where(np.isnan(ties), np.inf, ties)):
        for padding in ((0, 0), (1, 1)):
            check("max_pool2d", (x.astype(dtype), (2, 2), (2, 2), padding), dtype)


def test_a_window_of_more_than_256_pixels_has_a_wider_arg_max(check, dtype, rng):
    x = rng.standard_normal((1, 20, 21, 2)).astype(dtype)
    _, argmax = ops.max_pool2d.reference(x, (17, 17), (2, 1), (0, 0))
    assert argmax.dtype == np.int32
    check("max_pool2d", (x, (17, 17), (2, 1), (0, 0)), dtype)
    check("max_pool2d_backward", (x[:, :2, :5], argmax, x.shape, (17, 17), (2, 1), (0, 0)), dtype)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    "pool",
    [
        None,
        Pooling((2, 2), (2, 2)),
        Pooling((3, 3), (2, 2), (1, 1)),
        Pooling((3, 2), (1, 2), ((0, 1), (1, 0))),
    ],
    ids=["no pool", "2x2", "3x3 overlapping", "oblong"],
)
@pytest.mark.parametrize("kernel, stride, padding", [((3, 3), (1, 1), (0, 0)), ((2, 3), (2, 1), ((1, 0), (2, 1)))])
def test_blocks(check, kernel, stride, padding, pool, relu, dtype, rng):
    x = rng.standard_normal((3, 9, 8, 3)).astype(dtype)
    weight = rng.standard_normal((*kernel, 3, 5)).astype(dtype)
    bias = rng.standard_normal(5).astype(dtype)
    settings = Convolution(stride, padding), Epilogue(relu, pool)
    y, argmax = ops.conv_block.reference(x, weight, bias, *settings)
    check("conv_block", (x, weight, bias, *settings), dtype)
    dy = rng.standard_normal(y.shape).astype(dtype)
    check("conv_block_backward", (dy, x, weight, y, argmax, *settings), dtype)
    check("conv_block_backward", (dy, x, weight, y, argmax, *settings, False), dtype)


@pytest.mark.parametrize("relu", [True, False])
def test_blocks_with_scale_and_residual_and_without_indices(check, relu, dtype, rng):
    x, weight = (rng.standard_normal(s).astype(dtype) for s in ((3, 9, 8, 3), (3, 2, 3, 5)))
    bias, scale, residual = (rng.standard_normal(s).astype(dtype) for s in (5, 5, (3, 7, 7, 5)))
    pooled = Convolution(), Epilogue(relu, Pooling((2, 2), (2, 2)))
    check("conv_block", (x, weight, bias, *pooled, scale, None, False), dtype)
    check("conv_block", (x, weight, None, *pooled, scale), dtype)
    for b, s, r in ((bias, scale, residual), (bias, None, residual), (None, scale, residual), (bias, scale, None)):
        check("conv_block", (x, weight, b, Convolution(), Epilogue(relu), s, r), dtype)


def test_a_block_whose_numbers_are_all_negative_or_nan(check, dtype):
    x = -np.ones((1, 6, 6, 1), dtype)
    x[0, 2, 2, 0] = np.nan
    weight, bias = np.ones((1, 1, 1, 2), dtype), np.array([0.5, -0.5], dtype)
    for pool in (Pooling((2, 2), (2, 2)), None):
        check("conv_block", (x, weight, bias, Convolution(), Epilogue(True, pool)), dtype)


@pytest.mark.parametrize("pixels", [1, 63, 64, 65, 4097])
def test_a_bias_gradient_over_any_number_of_rows(check, pixels, dtype, rng):
    dy, x, weight = (rng.standard_normal(s).astype(dtype) for s in ((pixels, 3), (pixels, 2), (2, 3)))
    check("dense_backward", (dy, x, weight), dtype)
    check("dense_backward", (dy, x, weight, False), dtype)


@pytest.mark.parametrize("classes", [1, 2, 10, 33, 257, 1000])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_softmax_over_any_number_of_classes(check, classes, smoothing, dtype, rng):
    logits = (rng.standard_normal((5, classes)) * 30).astype(dtype)
    logits[0] = 800 if dtype == "float32" else -800
    probabilities = ops.softmax.reference(logits)
    for label_dtype in ("int64", "uint8") if classes <= 256 else ("int64", "int32"):
        labels = rng.integers(classes, size=5).astype(label_dtype)
        check("softmax_cross_entropy", (logits, labels, smoothing), dtype)
        check("softmax_cross_entropy_backward", (probabilities, labels, smoothing), dtype)
    check("softmax", (logits,), dtype)


def test_softmax_of_what_is_not_finite(check, dtype):
    logits = np.array([[0, -np.inf, 1], [np.nan, 0, 1], [0, np.nan, -np.inf]], dtype)
    check("softmax", (logits,), dtype)


def test_a_label_that_is_no_class_makes_the_loss_nan(device, dtype, rng):
    logits = device.array(rng.standard_normal((3, 4)).astype(dtype))
    for label in (-1, 4, 2**40):
        loss, _ = ops.softmax_cross_entropy(logits, device.array(np.array([0, label, 1])))
        assert np.isnan(loss.get())


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**63 + 12345])
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_dropout_has_the_same_mask(check, rate, seed, dtype, rng):
    x = rng.standard_normal((7, 5, 31)).astype(dtype)
    check("dropout", (x, rate, seed), dtype)
    check("dropout_backward", (x, ops.dropout.reference(x, rate, seed)[1], rate), dtype)


@pytest.mark.parametrize("momentum, nesterov", [(None, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd(check, momentum, nesterov, weight_decay, dtype, rng):
    value, grad, velocity = (rng.standard_normal((33, 17)).astype(dtype) for _ in range(3))
    check(
        "sgd_update",
        (value, grad, velocity if momentum else None, 0.1, momentum or 0.0, nesterov, weight_decay),
        dtype,
    )


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam(check, step, weight_decay, dtype, rng):
    value, grad, mean, square = (rng.standard_normal((33, 17)).astype(dtype) for _ in range(4))
    shares = (1 - 0.9**step, 1 - 0.999**step)
    check("adam_update", (value, grad, mean, square**2, *shares, 1e-3, 0.9, 0.999, 1e-8, weight_decay), dtype)


def test_without_decay_an_infinite_weight_stays_infinite(check, dtype):
    """λ·w with λ = 0 would make NaN of it."""
    value, one, zero = (np.array(numbers, dtype) for numbers in ([np.inf, -np.inf, 1], [1, 1, 1], [0, 0, 0]))
    for velocity in (None, zero.copy()):
        check("sgd_update", (value.copy(), one, velocity, 0.5, 0.9, False, 0.0), dtype)
    check("adam_update", (value.copy(), one, zero.copy(), zero.copy(), 0.1, 0.001, 0.1, 0.9, 0.999, 1e-8, 0.0), dtype)


def test_leaky_relu_without_a_slope_is_relu(check, dtype):
    check("leaky_relu", (np.array([-np.inf, -1, -0.0, 0, 2, np.nan], dtype), 0), dtype)


EMPTY = np.zeros((0, 6, 7, 3), "float32")
FILTERS, BIAS = np.ones((3, 3, 3, 4), "float32"), np.ones(4, "float32")
OF_NO_PICTURE = {
    "relu": (EMPTY,),
    "gelu_backward": (EMPTY, EMPTY),
    "dropout": (EMPTY, 0.5, 1),
    "max_pool2d": (EMPTY, (2, 2), (2, 2), (0, 0)),
    "avg_pool2d_backward": (EMPTY[:, :3, :3], EMPTY.shape, (2, 2), (2, 2), (0, 0)),
    "global_avg_pool2d": (EMPTY,),
    "im2col": (EMPTY, (3, 3), (1, 1), (0, 0)),
    "conv2d": (EMPTY, FILTERS, BIAS),
    "conv2d_backward": (np.zeros((0, 4, 5, 4), "float32"), EMPTY, FILTERS, (1, 1), (0, 0)),
    "dense": (np.zeros((0, 3), "float32"), np.ones((3, 4), "float32"), BIAS),
    "dense_backward": (np.zeros((0, 4), "float32"), np.zeros((0, 3), "float32"), np.ones((3, 4), "float32")),
    "softmax": (np.zeros((0, 3), "float32"),),
    "crop_and_flip": (EMPTY.astype("uint8"), np.zeros((0, 3), "int32"), (2, 2)),
    "normalize_pixels": (EMPTY.astype("uint8"), (0.5,) * 3, (0.5,) * 3),
}


@pytest.mark.parametrize("name", OF_NO_PICTURE)
def test_an_empty_batch_gives_what_it_gives_on_the_cpu(device, name):
    arguments = OF_NO_PICTURE[name]
    on_device = [device.array(a) if isinstance(a, np.ndarray) else a for a in arguments]
    got, right = getattr(ops, name)(*on_device), getattr(ops, name).reference(*arguments)
    for ours, expected in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, right)), strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours.get(), expected)


@pytest.mark.parametrize("name", [name for name in WITH_KERNEL if name.removesuffix("_backward") in ACTIVATIONS])
def test_activations_of_any_size(check, name, dtype):
    x = np.array([-800, -90, -1, -0.0, 0, 1, 90, 800, np.nan, np.inf, -np.inf], dtype)
    activation = name.removesuffix("_backward")
    arrays = (x,) if name == activation else (np.ones_like(x), kept_for_backward(activation, x))
    check(name, (*arrays, *ACTIVATIONS[activation].settings), dtype)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_byte_becomes_the_same_number(device, channels, dtype):
    images = np.arange(256 * channels, dtype="uint32").astype("uint8").reshape(1, 16, 16, channels)
    mean, std = tuple(np.linspace(0, 0.5, channels)), tuple(np.linspace(0.2, 1, channels))
    normalised = ops.normalize_pixels.twin("gpu")(device.array(images), mean, std, dtype)
    expected = ops.normalize_pixels.reference(images, mean, std, dtype)
    assert normalised.dtype == expected.dtype
    np.testing.assert_array_equal(normalised.get(), expected)


@pytest.mark.parametrize("size", [(5, 7), (9, 4), (1, 1), (40, 30)], ids=str)
def test_windows_anywhere_around_the_picture(check, size, thread_order, rng):
    corners = rng.integers(-10, 11, size=(40, 2))
    windows = np.column_stack([corners, np.arange(40) % 2]).astype("int32")
    check("crop_and_flip", (rng.integers(1, 256, size=(40, 6, 8, 3), dtype="uint8"), windows, size), "uint8")


def test_settings_may_be_numpy_numbers(check, dtype, rng):
    """A kernel takes 32-bit integers and its own kind of float, whatever it is called with."""
    x = rng.standard_normal((2, 6, 7, 3)).astype(dtype)
    check("dropout", (x, np.float64(0.25), 7), dtype)
    check("im2col", (x, (np.int64(2), np.int64(3)), (np.int64(1), np.int64(2)), (0, 0)), dtype)
    value, grad = x, x[::-1].copy()
    check("sgd_update", (value, grad, None, np.float64(0.1), 0.0, False, np.float32(0.5)), dtype)


@pytest.mark.parametrize("pixels, channels", [(3, 1), (3, 300), (64, 33), (65, 2), (4099, 3)])
def test_normalisation_over_any_number_of_pixels_and_channels(check, pixels, channels, thread_order, dtype, rng):
    shape = (1, 1, pixels, channels)
    dy, x, residual = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    x += 100
    weight, bias = (rng.standard_normal(channels).astype(dtype) for _ in range(2))
    for relu, added in ((True, residual), (True, None), (False, residual), (False, None)):
        check("norm_block", (x, weight, bias, 1e-5, added, relu), dtype)
        y, mean, variance = ops.norm_block.reference(x, weight, bias, 1e-5, added, relu)
        check("norm_block_backward", (dy, x, y, weight, mean, variance, 1e-5, relu, added is not None), dtype)
    check("batch_norm_inference", (x, weight, bias, mean, variance, 1e-5), dtype)
    check("batch_norm_inference_backward", (dy, x, weight, mean, variance, 1e-5), dtype)
    if channels > 2 and pixels < 100:  # of two numbers, standardised, next to nothing is left for a gradient
        check("layer_norm", (x, weight, bias, 1e-5), dtype)
        _, mean, variance = ops.layer_norm.reference(x, weight, bias, 1e-5)
        check("layer_norm_backward", (dy, x, weight, mean, variance, 1e-5), dtype)


@pytest.mark.parametrize("settings", [(5, 1e-4, 0.75, 1.0), (1, 0.5, 0.75, 2.0), (4, 0.7, 0.6, 0.5)], ids=str)
@pytest.mark.parametrize("channels", [1, 3, 100])
def test_local_response_norm_of_any_window(check, settings, channels, thread_order, dtype, rng):
    dy, x = (rng.standard_normal((2, 3, 2, channels)).astype(dtype) for _ in range(2))
    check("local_response_norm", (x, *settings), dtype)
    check("local_response_norm_backward", (dy, x, *settings), dtype)
