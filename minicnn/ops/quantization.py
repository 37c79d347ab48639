"""Quantisation: real numbers as bytes, one scale and one zero for a whole array of them.

A real number x is kept as the whole number q, and read back as

    x ≈ scale · (q − zero)

Activations are bytes, 0 … 255, with the zero that their range needs; that one stands for the real number 0 exactly, so
that padding and what a ReLU cut off stay what they are. Weights are −127 … 127 with the zero 0 (symmetric) and a scale
for each filter, since filters differ: so the sums of products in `quantized_convolution` are those of whole numbers.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", §2.1; Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference", §2.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import UsageError
from minicnn.ops.pooling import require_pooling_padding
from minicnn.ops.windows import Padding, Pair, output_size, pad_image, require_shape, window_slice

LARGEST = 255  # of a byte
LARGEST_WEIGHT = 127


def require_dtypes(operation: str, *expected: tuple[str, Array, str]) -> None:
    """Raise TypeError unless each array (name, array, dtype) is of its dtype; "float" stands for any float."""
    for name, array, dtype in expected:
        if array.dtype.kind != "f" if dtype == "float" else array.dtype != dtype:
            raise TypeError(f"{operation}: {name} should be {dtype}, and is {array.dtype}")


def require_scale(scale: float, zero: int) -> None:
    """Raise UsageError unless they are a scale and a zero."""
    if not 0 < scale < float("inf") or not 0 <= zero <= LARGEST:
        raise UsageError(f"scale {scale} should be above 0 and zero {zero} from 0 to {LARGEST}")


def to_bytes(y: Array, zero: int) -> Array:
    """Return the bytes nearest to y + zero; of what lies in the middle, the even one."""
    xp = array_module(y)
    return xp.clip(xp.rint(y) + zero, 0, LARGEST).astype("uint8")


def _check_quantize(x: Array, scale: float, zero: int) -> None:
    require_dtypes("quantize", ("x", x, "float"))
    require_scale(scale, zero)


@accelerated(_check_quantize)
def quantize(x: Array, scale: float, zero: int) -> Array:
    """Turn real numbers into bytes: q = round(x / scale) + zero, cut off at 0 and 255.

    x: floats of any shape. scale: above 0. zero: 0 … 255. Returns uint8 of x's shape. Raises TypeError for other
    arrays, UsageError for other numbers.
    """
    return to_bytes(x / scale, zero)


def _check_dequantize(q: Array, scale: float, zero: int, dtype: str = "float32") -> None:
    require_dtypes("dequantize", ("q", q, "uint8"))
    require_scale(scale, zero)


@accelerated(_check_dequantize)
def dequantize(q: Array, scale: float, zero: int, dtype: str = "float32") -> Array:
    """Turn bytes back into real numbers: x = scale · (q − zero).

    q: uint8 of any shape. scale, zero: as for `quantize`. dtype: of the result. Returns x of q's shape. Raises
    TypeError for other arrays, UsageError for other numbers.
    """
    return (q.astype(dtype) - zero) * scale


def _check_quantize_weight(weight: Array) -> None:
    require_dtypes("quantize_weight", ("weight", weight, "float"))
    require_shape(weight.ndim > 1, "quantize_weight", weight=weight.shape)


@accelerated(_check_quantize_weight)
def quantize_weight(weight: Array) -> tuple[Array, Array]:
    """Turn a layer's weights into whole numbers, each filter with a scale of its own: q = round(weight / scale).

    weight: (…, F) floats. Returns q (…, F) int8, −127 … 127, and scale (F,) in weight's dtype, with which the largest
    weight of a filter becomes ±127; 1 for a filter of zeros. Raises TypeError for other arrays.
    """
    xp = array_module(weight)
    largest = abs(weight).reshape(-1, weight.shape[-1]).max(axis=0)
    scale = xp.where(largest > 0, largest / LARGEST_WEIGHT, xp.ones_like(largest))
    return xp.clip(xp.rint(weight / scale), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype("int8"), scale


def _check_quantized_residual(
    a: Array, b: Array, a_scale: float, a_zero: int, b_scale: float, b_zero: int, y_zero: int
) -> None:
    require_dtypes("quantized_residual", ("a", a, "uint8"), ("b", b, "uint8"))
    require_shape(a.shape == b.shape, "quantized_residual", a=a.shape, b=b.shape)
    for scale, zero in ((a_scale, a_zero), (b_scale, b_zero), (1.0, y_zero)):
        require_scale(scale, zero)


@accelerated(_check_quantized_residual)
def quantized_residual(
    a: Array, b: Array, a_scale: float, a_zero: int, b_scale: float, b_zero: int, y_zero: int
) -> Array:
    """Add bytes of two scales: q = round(a_scale·(a − a_zero) + b_scale·(b − b_zero)) + y_zero, cut off at 0 and 255.

    a, b: uint8 of one shape. a_scale, b_scale: their scales, each divided by the sum's. a_zero, b_zero, y_zero:
    0 … 255. Returns uint8 of that shape. Raises ShapeError when the shapes differ, TypeError for other arrays,
    UsageError for other numbers.
    """
    return to_bytes((a.astype("float32") - a_zero) * a_scale + (b.astype("float32") - b_zero) * b_scale, y_zero)


def _check_quantized_max_pool2d(x: Array, size: Pair, stride: Pair, padding: Padding) -> None:
    require_dtypes("quantized_max_pool2d", ("x", x, "uint8"))
    require_shape(x.ndim == 4, "quantized_max_pool2d", x=x.shape)
    require_pooling_padding(size, padding)
    output_size(x.shape[1:3], size, stride, padding)


@accelerated(_check_quantized_max_pool2d)
def quantized_max_pool2d(x: Array, size: Pair, stride: Pair, padding: Padding) -> Array:
    """Keep the largest byte of each window, which stands for the largest number: scale and zero stay.

    x: (N, H, W, C) uint8. size, stride, padding: as for `max_pool2d`; padding never wins, as no byte is below 0.
    Returns y (N, OH, OW, C) uint8. Raises ShapeError as `max_pool2d` does, TypeError for other arrays.
    """
    outputs = output_size((x.shape[1], x.shape[2]), size, stride, padding)
    padded = pad_image(x, padding, value=0)
    rows, cols = window_slice((0, 0), outputs, stride)
    y = padded[:, rows, cols, :].copy()
    for ky in range(size[0]):
        for kx in range(size[1]):
            rows, cols = window_slice((ky, kx), outputs, stride)
            y = array_module(x).maximum(y, padded[:, rows, cols, :])
    return y
