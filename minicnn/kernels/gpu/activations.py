"""Activations for CuPy arrays that take several operations by formula. The kernels stand in activations.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import elements, kernels_take, launch


def relu_backward(dy: Array, y: Array) -> Array:
    """Let the gradient through where y > 0: the twin of `minicnn.ops.activations.relu_backward`."""
    return _map("relu_backward", dy, y)


def sigmoid(x: Array) -> Array:
    """Squash to (0, 1): the twin of `minicnn.ops.activations.sigmoid`."""
    return _map("sigmoid", x)


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Multiply by the slope of the sigmoid: the twin of `minicnn.ops.activations.sigmoid_backward`."""
    return _map("sigmoid_backward", dy, y)


def tanh_backward(dy: Array, y: Array) -> Array:
    """Multiply by the slope of tanh: the twin of `minicnn.ops.activations.tanh_backward`."""
    return _map("tanh_backward", dy, y)


def _map(kernel: str, *arrays: Array) -> Array:
    if not kernels_take(*arrays) or any(a.shape != arrays[0].shape for a in arrays):
        return NotImplemented
    xp = array_module(arrays[0])
    result = xp.empty(arrays[0].shape, dtype=arrays[0].dtype)
    arguments = (*(xp.ascontiguousarray(a) for a in arrays), result, result.size)
    launch("activations.cu", kernel, elements(result.size), arguments, real=result.dtype)
    return result
