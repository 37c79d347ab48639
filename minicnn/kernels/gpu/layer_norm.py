"""Layer normalisation for CuPy arrays. The kernels stand in layer_norm.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.bias import SPAN, sum_rows
from minicnn.kernels.gpu.launch import blocks, kernels_take, launch, lines


def layer_norm(x: Array, weight: Array, bias: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """Normalise each pixel or vector over its channels: the twin of `minicnn.ops.layer_norm.layer_norm`."""
    if not kernels_take(x) or x.size == 0:
        return NotImplemented
    xp, channels = array_module(x), weight.size
    x, weight, bias = (xp.ascontiguousarray(a) for a in (x, weight, bias))
    y = xp.empty(x.shape, dtype=x.dtype)
    mean, variance = xp.empty(x.shape[:-1], dtype=x.dtype), xp.empty(x.shape[:-1], dtype=x.dtype)
    arguments = (x, weight, bias, float(epsilon), y, mean, variance, channels)
    launch("layer_norm.cu", "layer_norm", blocks(mean.size, channels), arguments, x.dtype)
    return y, mean, variance


def layer_norm_backward(
    dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Return the gradients at x, weight and bias: the twin of `minicnn.ops.layer_norm.layer_norm_backward`."""
    if not kernels_take(x) or x.size == 0:
        return NotImplemented
    xp, channels, rows = array_module(x), weight.size, mean.size
    dy, x, weight, mean, variance = (xp.ascontiguousarray(a) for a in (dy, x, weight, mean, variance))
    dx, centres = xp.empty(x.shape, dtype=x.dtype), xp.empty(rows, dtype="float64")
    of_rows = (dy, x, weight, mean, variance, float(epsilon), dx, centres, channels)
    launch("layer_norm.cu", "layer_norm_backward", blocks(rows, channels), of_rows, x.dtype)
    slices = -(-rows // SPAN)
    sums = xp.empty((slices, 2 * channels), dtype="float64")
    of_channels = (dy, x, centres, variance, float(epsilon), sums, slices, SPAN, rows, channels)
    launch("layer_norm.cu", "add_row_gradients", lines(slices, channels), of_channels, x.dtype)
    dweight, dbias = sum_rows(sums).reshape(2, channels).astype(x.dtype)
    return dx, dweight, dbias
