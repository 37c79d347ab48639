"""Batch normalisation for CuPy arrays: in training as a block without residual and ReLU, in inference in one pass."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import kernels_take
from minicnn.kernels.gpu.norm_block import norm_block, norm_block_backward, normalise, sum_gradients


def batch_norm(x: Array, weight: Array, bias: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """Normalise each channel by its own statistics: the twin of `minicnn.ops.batch_norm.batch_norm`."""
    return norm_block(x, weight, bias, epsilon, None, False)


def batch_norm_backward(
    dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Return the gradients by all three paths: the twin of `minicnn.ops.batch_norm.batch_norm_backward`."""
    gradients = norm_block_backward(dy, x, x, weight, mean, variance, epsilon, False, False)
    return NotImplemented if gradients is NotImplemented else gradients[:3]


def batch_norm_inference(x: Array, weight: Array, bias: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """Normalise each channel by given statistics: the twin of `minicnn.ops.batch_norm.batch_norm_inference`."""
    if not kernels_take(x) or x.size == 0:
        return NotImplemented
    xp = array_module(x)
    return normalise(x, xp.stack([mean, weight / xp.sqrt(variance + epsilon), bias]), None, False)


def batch_norm_inference_backward(
    dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Return the gradients by one path: the twin of `minicnn.ops.batch_norm.batch_norm_inference_backward`."""
    if not kernels_take(x) or x.size == 0:
        return NotImplemented
    xp = array_module(x)
    zeros, deviation = xp.zeros(weight.shape, dtype=x.dtype), xp.sqrt(variance + epsilon)
    x, mean = xp.ascontiguousarray(x), xp.ascontiguousarray(mean)
    dbias, products, _ = sum_gradients(dy, x, x, mean, dy, False).reshape(3, weight.size)
    dx = normalise(dy, xp.stack([zeros, weight / deviation, zeros]), None, False)
    return dx, (products / deviation).astype(x.dtype), dbias.astype(x.dtype)
