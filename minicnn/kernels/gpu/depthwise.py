"""Depthwise convolution for CuPy arrays; the kernels stand in depthwise.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.bias import SPAN, sum_rows
from minicnn.kernels.gpu.launch import launch, lines
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, spread


def depthwise(
    x: Array, weight: Array, bias: Array | None, stride: Pair, padding: Padding, dilation: Pair
) -> Array:  # fmt: skip
    """Return y (N, OH, OW, F)."""
    xp = array_module(x)
    sizes = _sizes(x, weight, stride, padding, dilation)
    filters = weight.shape[3]
    y = xp.empty((x.shape[0], *sizes[4:6], filters), dtype=x.dtype)
    bias = xp.zeros(filters, dtype=x.dtype) if bias is None else xp.ascontiguousarray(bias)
    pixels = x.shape[0] * sizes[4] * sizes[5]
    arguments = (xp.ascontiguousarray(x), xp.ascontiguousarray(weight), bias, y, pixels, *sizes)
    launch("depthwise.cu", "depthwise", lines(pixels, filters), arguments, real=x.dtype)
    return y


def depthwise_backward(
    dy: Array, x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair, input_gradient: bool
) -> tuple[Array | None, Array, Array]:
    """Return dx (N, H, W, C), or None if there is no `input_gradient`; dweight like weight; dbias (F,)."""
    xp = array_module(x)
    sizes = _sizes(x, weight, stride, padding, dilation)
    (n, h, w, c), (kh, kw, _, filters) = x.shape, weight.shape
    dy, dx = xp.ascontiguousarray(dy), None
    if input_gradient:
        dx = xp.empty(x.shape, dtype=x.dtype)
        arguments = (dy, xp.ascontiguousarray(weight), dx, n * h * w, *sizes)
        launch("depthwise.cu", "depthwise_input_gradient", lines(n * h * w, c), arguments, real=x.dtype)
    rows = dy.reshape(-1, filters)
    slices = max(1, -(-len(rows) // SPAN))
    sums = xp.empty((slices, kh * kw * filters), dtype=x.dtype)
    arguments = (dy, xp.ascontiguousarray(x), sums, slices, SPAN, len(rows), *sizes)
    layout = lines(slices * kh * kw, filters)
    launch("depthwise.cu", "depthwise_weight_gradient", layout, arguments, real=x.dtype)
    return dx, sum_rows(sums).reshape(weight.shape), sum_rows(rows)


def _sizes(x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair) -> tuple[int, ...]:
    """Return what all kernels take: filters a channel, H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, top, left."""
    _, h, w, c = x.shape
    kernel = (weight.shape[0], weight.shape[1])
    outputs = output_size((h, w), spread(kernel, dilation), stride, padding)
    (top, _), (left, _) = pad_amounts(padding)
    return (weight.shape[3] // c, h, w, c, *outputs, *kernel, *stride, *dilation, top, left)
