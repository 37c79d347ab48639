"""The dense layer for CuPy arrays: cuBLAS's products, then the bias. Shapes as in `minicnn.ops.dense`."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.bias import add_bias, sum_rows
from minicnn.kernels.gpu.launch import kernels_take


def dense(x: Array, weight: Array, bias: Array) -> Array:
    """Multiply by the weights and add the bias: the twin of `minicnn.ops.dense.dense`."""
    if not kernels_take(x, weight, bias):
        return NotImplemented
    y = array_module(x).empty((x.shape[0], weight.shape[1]), dtype=x.dtype)
    array_module(x).matmul(x, weight, out=y)
    add_bias(y, bias, relu=False)
    return y


def dense_backward(
    dy: Array, x: Array, weight: Array, input_gradient: bool = True
) -> tuple[Array | None, Array, Array]:
    """Turn the gradient at the output into those at the inputs: the twin of `minicnn.ops.dense.dense_backward`."""
    if not kernels_take(dy, x, weight):
        return NotImplemented
    dy = array_module(dy).ascontiguousarray(dy)
    dx = dy @ weight.T if input_gradient else None
    return dx, x.T @ dy, sum_rows(dy)
