"""Bytes for numbers, and sums of bytes, against the slow loops and PyTorch's quantised operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import ShapeError, UsageError
from minicnn.kernels.cpu import quantized_convolution as kernels
from minicnn.loops import quantization, quantized_convolution
from minicnn.ops.quantized_convolution import MOST_TERMS
from tests.ops.calls import CALLS, quantized_weights
from tests.ops.cases import WINDOWS, Window

GROUPED = [
    Window("depthwise", (2, 6, 7, 5), (3, 3), padding=((1, 1), (1, 1)), filters=5, groups=5),
    Window("depthwise, strided", (2, 7, 8, 17), (3, 3), (2, 2), ((0, 1), (0, 1)), filters=17, groups=17),
    Window("depthwise 5×5, wide", (1, 7, 6, 35), (5, 5), padding=((2, 2), (2, 2)), filters=35, groups=35),
    Window("two filters a channel", (2, 5, 6, 3), (3, 3), filters=6, groups=3),
    Window("two groups", (2, 5, 6, 4), (3, 3), padding=((1, 1), (1, 1)), filters=6, groups=2),
    Window("dilated", (2, 8, 9, 3), (3, 3), padding=((2, 2), (2, 2)), dilation=(2, 2)),
    Window("many filters", (2, 5, 6, 19), (1, 1), filters=37),
    Window("many pixels", (1, 11, 13, 4), (3, 3), padding=((1, 1), (1, 1)), filters=16),
]
ZEROS = [0, 100, 255]

pytestmark = pytest.mark.filterwarnings("ignore:.*other quantized tensor creation functions:UserWarning")  # PyTorch's


def convolution_of(window: Window, rng: np.random.Generator, dtype: str = "float32") -> tuple[Any, ...]:
    x = rng.integers(256, size=window.x_shape, dtype="uint8")
    return x, *quantized_weights(rng, window.weight_shape, dtype)


@pytest.mark.parametrize("zero", ZEROS)
def test_bytes_are_those_of_the_loop(zero: int, mode: str, dtype: str, rng: np.random.Generator) -> None:
    x = (300 * rng.standard_normal((3, 7, 5))).astype(dtype)
    x[0, 0] = [-0.5, 0.5, 1.5, 2.5, 1e9]  # halves go to the even neighbour
    q = ops.quantize(x, 1.0, zero)
    assert q.dtype == "uint8"
    np.testing.assert_array_equal(q, quantization.quantize(x, 1.0, zero))
    np.testing.assert_allclose(ops.dequantize(q, 0.25, zero, dtype), quantization.dequantize(q, 0.25, zero))


@pytest.mark.parametrize("name", ["quantize_weight", "quantized_residual", "quantized_max_pool2d"])
def test_other_operations_are_those_of_the_loop(name: str, mode: str, rng: np.random.Generator) -> None:
    arguments = CALLS[name](rng, "float64")
    got, expected = getattr(ops, name)(*arguments), getattr(quantization, name)(*arguments)
    for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_filter_of_zeros_has_a_scale(mode: str) -> None:
    weight = np.zeros((3, 2), "float32")
    weight[1, 0] = -2.54
    q, scale = ops.quantize_weight(weight)
    np.testing.assert_array_equal(q, [[0, 0], [-127, 0], [0, 0]])
    np.testing.assert_allclose(scale, [0.02, 1.0], rtol=1e-6)


@pytest.mark.parametrize("y_zero", [77, None])
@pytest.mark.parametrize("window", WINDOWS + GROUPED, ids=str)
def test_a_convolution_gives_what_the_loop_gives(
    window: Window, y_zero: int | None, mode: str, rng: np.random.Generator
) -> None:
    arguments = convolution_of(window, rng)
    settings = window.stride, window.padding, window.groups, window.dilation
    y = ops.quantized_conv2d(*arguments, 100, y_zero, *settings)
    expected = quantized_convolution.quantized_conv2d(*arguments, 100, y_zero, *settings)
    assert y.dtype == ("float32" if y_zero is None else "uint8")
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("shape", [(1, 5, 3), (4, 17, 35), (9, 33, 16), (64, 7, 1)])
@pytest.mark.parametrize("y_zero", [0, None])
def test_a_dense_layer_gives_what_the_loop_gives(
    shape: tuple[int, int, int], y_zero: int | None, mode: str, rng: np.random.Generator
) -> None:
    n, inputs, units = shape
    arguments = rng.integers(256, size=(n, inputs), dtype="uint8"), *quantized_weights(rng, (inputs, units), "float32")
    y = ops.quantized_dense(*arguments, 255, y_zero)
    np.testing.assert_array_equal(y, quantized_convolution.quantized_dense(*arguments, 255, y_zero))


def test_the_largest_sums_do_not_overflow(mode: str) -> None:
    x = np.full((1, MOST_TERMS), 255, "uint8")
    weight = np.full((MOST_TERMS, 1), -127, "int8")
    y = ops.quantized_dense(x, weight, np.zeros(1, "int32"), np.ones(1, "float32"), 0, None)
    assert y.tolist() == [[np.float32(-255 * 127 * MOST_TERMS)]]


def test_a_strided_pixelwise_convolution_is_no_copy_of_the_picture(mode: str, rng: np.random.Generator) -> None:
    """With as many outputs as pixels, most of them in the padding."""
    x, weight = rng.integers(256, size=(2, 2, 2, 4), dtype="uint8"), rng.integers(-127, 128, (1, 1, 4, 3), dtype="int8")
    y = ops.quantized_conv2d(x, weight, np.zeros(3, "int32"), np.ones(3, "float32"), 9, None, (2, 2), ((0, 2), (0, 2)))
    expected = np.zeros((2, 2, 2, 3))
    expected[:, 0, 0] = (x[:, 0, 0].astype(int) - 9) @ weight[0, 0].astype(int)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_rows_that_are_multiplied_in_pieces_give_the_same(
    window: Window, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = convolution_of(window, rng)
    settings = window.stride, window.padding, window.groups, window.dilation
    expected = ops.quantized_conv2d(*arguments, 100, 50, *settings)
    monkeypatch.setattr(kernels, "COLUMNS_KEPT", 1)  # six rows at a time
    np.testing.assert_array_equal(ops.quantized_conv2d(*arguments, 100, 50, *settings), expected)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")


def test_numbers_become_pytorch_s_bytes(torch: Any, mode: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 50)).astype("float32")
    theirs = torch.quantize_per_tensor(torch.tensor(x), 2.0**-6, 120, torch.quint8)
    q = ops.quantize(x, 2.0**-6, 120)
    np.testing.assert_array_equal(q, theirs.int_repr().numpy())
    np.testing.assert_array_equal(ops.dequantize(q, 2.0**-6, 120), theirs.dequantize().numpy())


def test_weights_become_pytorch_s_filter_by_filter(torch: Any, mode: str, rng: np.random.Generator) -> None:
    weight = rng.standard_normal((3, 3, 4, 6)).astype("float32")
    q, scale = ops.quantize_weight(weight)
    theirs = torch.quantize_per_channel(
        torch.tensor(weight),
        torch.tensor(scale, dtype=torch.float64),
        torch.zeros(6, dtype=torch.int64),
        3,
        torch.qint8,
    )
    assert np.abs(q.astype(int) - theirs.int_repr().numpy()).max() <= 1  # which multiplies by 1/scale, rounded
    assert (q == theirs.int_repr().numpy()).mean() > 0.99


@pytest.mark.parametrize("window", [WINDOWS[1], WINDOWS[5], GROUPED[0], GROUPED[4], GROUPED[5]], ids=str)
def test_a_convolution_is_pytorch_s(torch: Any, window: Window, mode: str, rng: np.random.Generator) -> None:
    """By a kernel that adds up pairs in 16 bits, and so only with weights that cannot overflow these."""
    x, weight, bias, _ = convolution_of(window, rng)
    weight = (weight // 2).astype("int8")
    x_scale, y_scale, w_scale = 0.02, 0.9, rng.uniform(0.01, 0.02, window.filters)
    theirs_x = torch._make_per_tensor_quantized_tensor(torch.tensor(x).permute(0, 3, 1, 2), x_scale, 100)
    theirs_w = torch._make_per_channel_quantized_tensor(
        torch.tensor(weight).permute(3, 2, 0, 1).contiguous(), torch.tensor(w_scale),
        torch.zeros(window.filters, dtype=torch.int64), 0,
    )  # fmt: skip
    pads = (window.padding[0][0], window.padding[1][0])
    theirs_bias = torch.tensor(bias * w_scale * x_scale, dtype=torch.float32)
    packed = torch.ops.quantized.conv2d_prepack(
        theirs_w, theirs_bias, window.stride, pads, window.dilation, window.groups
    )
    expected = torch.ops.quantized.conv2d(theirs_x, packed, y_scale, 128).int_repr().permute(0, 2, 3, 1).numpy()
    scale = (w_scale * x_scale / y_scale).astype("float32")
    y = ops.quantized_conv2d(
        x, weight, bias, scale, 100, 128, window.stride, window.padding, window.groups, window.dilation
    )
    difference = np.abs(y.astype(int) - expected)
    assert difference.max() <= 1 and (difference == 0).mean() > 0.98 and len(np.unique(y)) > 8


def test_a_sum_of_two_scales_is_pytorch_s(torch: Any, mode: str, rng: np.random.Generator) -> None:
    a, b = (rng.integers(256, size=(2, 5, 6, 4), dtype="uint8") for _ in "ab")
    theirs = (
        torch._make_per_tensor_quantized_tensor(torch.tensor(q), scale, zero)
        for q, scale, zero in ((a, 0.0511, 100), (b, 0.0203, 7))
    )
    expected = torch.ops.quantized.add(*theirs, 0.0617, 120).int_repr().numpy()
    y = ops.quantized_residual(a, b, 0.0511 / 0.0617, 100, 0.0203 / 0.0617, 7, 120)
    difference = np.abs(y.astype(int) - expected)
    assert difference.max() <= 1 and (difference == 0).mean() > 0.98


def test_what_does_not_belong_together_is_refused(rng: np.random.Generator) -> None:
    x, weight, bias, scale = convolution_of(WINDOWS[0], rng)
    with pytest.raises(TypeError, match="x should be uint8, and is float32"):
        ops.quantized_conv2d(x.astype("float32"), weight, bias, scale, 0, 0)
    with pytest.raises(TypeError, match="weight should be int8"):
        ops.quantized_conv2d(x, weight.astype("int32"), bias, scale, 0, 0)
    with pytest.raises(ShapeError, match="do not belong together"):
        ops.quantized_conv2d(x, weight, bias[1:], scale, 0, 0)
    with pytest.raises(ShapeError, match="from 0 to 255"):
        ops.quantized_conv2d(x, weight, bias, scale, 256, 0)
    with pytest.raises(ShapeError, match="do not fit into 32 bits"):
        wide = np.zeros((MOST_TERMS + 1, 1), "int8")
        ops.quantized_dense(np.zeros((1, MOST_TERMS + 1), "uint8"), wide, bias[:1], scale[:1], 0, 0)
    with pytest.raises(UsageError, match="scale 0"):
        ops.quantize(np.ones(3), 0.0, 0)
    with pytest.raises(ShapeError, match="quantized_residual"):
        ops.quantized_residual(x, x[1:], 1.0, 0, 1.0, 0, 0)
