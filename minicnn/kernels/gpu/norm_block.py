"""Batch normalisation [+ residual] [+ ReLU] for CuPy arrays. The kernels stand in norm_block.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.bias import SPAN, sum_rows
from minicnn.kernels.gpu.launch import elements, kernels_take, launch, lines


def norm_block(
    x: Array, weight: Array, bias: Array, epsilon: float, residual: Array | None = None, relu: bool = True,
    relu6: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Normalise by the batch's statistics, add, cut off: the twin of `minicnn.ops.norm_block.norm_block`."""
    if not kernels_take(x) or relu6:
        return NotImplemented
    xp, channels = array_module(x), weight.size
    pixels, slices = x.size // channels, -(-x.size // (channels * SPAN))
    x, weight, bias = (xp.ascontiguousarray(a) for a in (x, weight, bias))
    sums = xp.empty((slices, 2 * channels), dtype="float64")
    launch("norm_block.cu", "add_moments", lines(slices, channels), (x, sums, slices, SPAN, pixels, channels), x.dtype)
    mean, variance = xp.empty(channels, dtype=x.dtype), xp.empty(channels, dtype=x.dtype)
    terms = xp.empty((3, channels), dtype=x.dtype)
    arguments = (sum_rows(sums), x, weight, bias, float(epsilon), mean, variance, terms, pixels, channels)
    launch("norm_block.cu", "settle_moments", elements(channels), arguments, x.dtype)
    return normalise(x, terms, residual, relu), mean, variance


def norm_block_backward(
    dy: Array, x: Array, y: Array, weight: Array, mean: Array, variance: Array, epsilon: float, relu: bool = True,
    residual: bool = True, relu6: bool = False,
) -> tuple[Array, Array, Array, Array | None]:  # fmt: skip
    """Run the block backwards: the twin of `minicnn.ops.norm_block.norm_block_backward`."""
    if not kernels_take(x) or relu6:
        return NotImplemented
    xp, channels = array_module(x), weight.size
    pixels = x.size // channels
    x, y, weight, mean, variance = (xp.ascontiguousarray(a) for a in (x, y, weight, mean, variance))
    dz = xp.empty(x.shape, dtype=x.dtype) if relu and residual else dy
    sums = sum_gradients(dy, x, y, mean, dz, relu)
    dx, terms = xp.empty(x.shape, dtype=x.dtype), xp.empty((4, channels), dtype=x.dtype)
    dweight, dbias = xp.empty(channels, dtype=x.dtype), xp.empty(channels, dtype=x.dtype)
    of_channels = (sums, weight, mean, variance, float(epsilon), dweight, dbias, terms, pixels, channels)
    launch("norm_block.cu", "settle_gradients", elements(channels), of_channels, x.dtype)
    of_pixels = (xp.ascontiguousarray(dz), y, x, terms, dx, relu and not residual, pixels, channels)
    launch("norm_block.cu", "gradient", lines(pixels, channels), of_pixels, x.dtype)
    return dx, dweight, dbias, dz if residual else None


def normalise(x: Array, terms: Array, residual: Array | None, relu: bool) -> Array:
    """Return (x − mean)·scale + bias, the rows of `terms` (3, C), plus the residual, and max with 0 if `relu`."""
    xp, channels = array_module(x), terms.shape[1]
    pixels, y = x.size // channels, xp.empty(x.shape, dtype=x.dtype)
    x = xp.ascontiguousarray(x)
    added = x if residual is None else xp.ascontiguousarray(residual)
    arguments = (x, terms, added, y, residual is not None, relu, pixels, channels)
    launch("norm_block.cu", "normalise", lines(pixels, channels), arguments, x.dtype)
    return y


def sum_gradients(dy: Array, x: Array, y: Array, mean: Array, dz: Array, relu: bool) -> Array:
    """Return in float64, (3·C,), the sums over all pixels of dz, of dz ⊙ (x − mean), and of x − mean.

    dz is dy where ReLU let values through, that is with `relu` where y > 0; it is written to the array `dz` unless that
    is dy itself. x, y and mean lie contiguously.
    """
    xp, channels, keep = array_module(x), mean.size, dz is not dy
    pixels, slices = x.size // channels, -(-x.size // (channels * SPAN))
    dy = xp.ascontiguousarray(dy)
    sums = xp.empty((slices, 3 * channels), dtype="float64")
    arguments = (dy, x, y, mean, dz if keep else dy, sums, relu, keep, slices, SPAN, pixels, channels)
    launch("norm_block.cu", "add_gradients", lines(slices, channels), arguments, x.dtype)
    return sum_rows(sums)
