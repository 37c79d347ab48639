"""Convolution and dense layer with bytes: sums of products of whole numbers, exact in 32 bits, scaled once at the end.

With x ≈ scale_x · (q_x − zero_x) and w ≈ scale_w[f] · q_w (see `quantization`),

    Σ x·w + bias  ≈  scale_x · scale_w[f] · ( Σ (q_x − zero_x) · q_w + bias_q )      with bias_q = bias / that scale

and the result's own byte is that divided by its scale, rounded, plus its zero: one factor a filter,
scale[f] = scale_x · scale_w[f] / scale_y, takes the sums there. A ReLU behind it costs nothing: the range of its
results begins at 0, where zero_y is 0, and what would be below is cut off; so is what would be above ReLU6's 6.

Shapes: x (N, H, W, C) uint8; weight (KH, KW, C/groups, F) int8; bias (F,) int32; scale (F,) floats.
Source: Jacob et al. 2018, §2.2 to §2.4, with a factor in floating point in place of its fixed-point one.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import ShapeError
from minicnn.ops.columns import im2col
from minicnn.ops.quantization import LARGEST, LARGEST_WEIGHT, require_dtypes, to_bytes
from minicnn.ops.windows import Padding, Pair, as_whole, output_size, pad_image, require_shape, spread

MOST_TERMS = (
    2**31 // (LARGEST * LARGEST_WEIGHT) - 1000
)  # of a sum that fits into 32 bits, whatever they are, and a bias


def _check_conv2d(
    x: Array, weight: Array, bias: Array, scale: Array, x_zero: int, y_zero: int | None, stride: Pair = (1, 1),
    padding: Padding = (0, 0), groups: int = 1, dilation: Pair = (1, 1),
) -> None:  # fmt: skip
    given = {"x": x.shape, "weight": weight.shape, "bias": bias.shape, "scale": scale.shape}
    fits = x.ndim == weight.ndim == 4 and bias.shape == scale.shape == weight.shape[3:]
    require_shape(fits, "quantized_conv2d", **given)
    divides = x.shape[3] % as_whole(groups, "groups") == 0 == weight.shape[3] % groups
    require_shape(divides and weight.shape[2] * groups == x.shape[3], "quantized_conv2d", **given, groups=groups)
    _check_parts("quantized_conv2d", x, weight, bias, scale, x_zero, y_zero)
    output_size(x.shape[1:3], spread(weight.shape[:2], dilation), stride, padding)


def _check_dense(x: Array, weight: Array, bias: Array, scale: Array, x_zero: int, y_zero: int | None) -> None:
    fits = (
        x.ndim == weight.ndim == 2 and x.shape[1] == weight.shape[0] and bias.shape == scale.shape == weight.shape[1:]
    )
    require_shape(fits, "quantized_dense", x=x.shape, weight=weight.shape, bias=bias.shape, scale=scale.shape)
    _check_parts("quantized_dense", x, weight, bias, scale, x_zero, y_zero)


def _check_parts(
    operation: str, x: Array, weight: Array, bias: Array, scale: Array, x_zero: int, y_zero: int | None
) -> None:
    require_dtypes(
        operation, ("x", x, "uint8"), ("weight", weight, "int8"), ("bias", bias, "int32"), ("scale", scale, "float")
    )
    terms = weight.size // max(weight.shape[-1], 1)
    if terms > MOST_TERMS:
        raise ShapeError(f"{operation}: sums of {terms} products do not fit into 32 bits; {MOST_TERMS} do")
    if not 0 <= x_zero <= LARGEST or not 0 <= (y_zero or 0) <= LARGEST:
        raise ShapeError(f"{operation}: zeros {x_zero} and {y_zero} should be from 0 to {LARGEST}")


@accelerated(_check_conv2d)
def quantized_conv2d(
    x: Array, weight: Array, bias: Array, scale: Array, x_zero: int, y_zero: int | None, stride: Pair = (1, 1),
    padding: Padding = (0, 0), groups: int = 1, dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """Slide F filters over each picture of bytes: q = round(scale · (im2col(x − x_zero)·W + bias)) + y_zero.

    x: (N, H, W, C) uint8. weight: (KH, KW, C/groups, F) int8. bias: (F,) int32, in units of the sums. scale: (F,), from
    the sums to the result. x_zero: the byte that stands for 0, also in the padding. y_zero: that of the result; None
    leaves the result in floating point, unrounded. stride, padding, groups, dilation: as for `conv2d`.
    Returns (N, OH, OW, F) uint8, cut off at 0 and 255, or in scale's dtype. Raises ShapeError when the shapes do not
    belong together or a sum may not fit into 32 bits, TypeError for other dtypes.
    """
    oh, ow = output_size(x.shape[1:3], spread(weight.shape[:2], dilation), stride, padding)
    padded = pad_image(x, padding, value=x_zero).astype("int32") - x_zero
    c, f = weight.shape[2], weight.shape[3] // groups
    sums = []
    for group in range(groups):
        columns = im2col(padded[..., group * c : (group + 1) * c], weight.shape[:2], stride, (0, 0), dilation)
        filters = weight[..., group * f : (group + 1) * f].astype("int32")
        sums.append(columns @ filters.reshape(-1, f))
    total = array_module(x).concatenate(sums, axis=1) + bias
    return _finished(total, scale, y_zero).reshape(x.shape[0], oh, ow, weight.shape[3])


@accelerated(_check_dense)
def quantized_dense(x: Array, weight: Array, bias: Array, scale: Array, x_zero: int, y_zero: int | None) -> Array:
    """Multiply bytes by the weights: q = round(scale · ((x − x_zero)·W + bias)) + y_zero.

    x: (N, D) uint8. weight: (D, U) int8. bias: (U,) int32. scale: (U,). x_zero, y_zero: as for `quantized_conv2d`.
    Returns (N, U) uint8, or in scale's dtype where y_zero is None, as it is for logits. Raises what `quantized_conv2d`
    raises.
    """
    return _finished((x.astype("int32") - x_zero) @ weight.astype("int32") + bias, scale, y_zero)


def _finished(total: Array, scale: Array, y_zero: int | None) -> Array:
    """Return the result of sums (…, F) int32: scaled, and as bytes unless there is no zero."""
    y = total.astype(scale.dtype) * scale
    return y if y_zero is None else to_bytes(y, y_zero)
