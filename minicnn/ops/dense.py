"""The dense (fully connected) layer's formula: every output sees every input.

Shapes: x (N, D) with D inputs; weight (D, U) with U outputs, "units"; bias (U,); y (N, U).
Source: document 004 §4.1.4 and §4.2; its output is a logit: softmax, not the layer, makes the probability.
"""

from __future__ import annotations

from minicnn.backend import Array
from minicnn.dispatch import accelerated
from minicnn.ops.windows import require_one_dtype, require_shape


def _check_dense(x: Array, weight: Array, bias: Array) -> None:
    fits = x.ndim == 2 and x.shape[1] == weight.shape[0] and bias.shape == weight.shape[1:]
    require_shape(fits, "dense", x=x.shape, weight=weight.shape, bias=bias.shape)
    require_one_dtype("dense", x=x, weight=weight, bias=bias)


def _check_dense_backward(dy: Array, x: Array, weight: Array, input_gradient: bool = True) -> None:
    fits = dy.ndim == 2 and x.shape == (dy.shape[0], weight.shape[0]) and dy.shape[1] == weight.shape[1]
    require_shape(fits, "dense_backward", dy=dy.shape, x=x.shape, weight=weight.shape)
    require_one_dtype("dense_backward", dy=dy, x=x, weight=weight)


@accelerated(_check_dense)
def dense(x: Array, weight: Array, bias: Array) -> Array:
    """Multiply by the weights and add the bias: y = x·W + b.

    x: (N, D). weight: (D, U). bias: (U,). Returns y (N, U) in x's dtype.
    Raises ShapeError when x's columns are not weight's rows, TypeError when dtypes differ.
    """
    return x @ weight + bias


@accelerated(_check_dense_backward)
def dense_backward(
    dy: Array, x: Array, weight: Array, input_gradient: bool = True
) -> tuple[Array | None, Array, Array]:
    """Turn the gradient at the output into those at the inputs: dx = dy·Wᵀ, dW = xᵀ·dy, db = Σ_n dy.

    dy: (N, U). x: (N, D). weight: (D, U). input_gradient: False leaves dx out (None).
    Returns (dx like x, dweight like weight, dbias (U,)), dbias added up in float64. Raises ShapeError when the three do
    not belong together, TypeError when dtypes differ.
    """
    dx = dy @ weight.T if input_gradient else None
    return dx, x.T @ dy, dy.sum(axis=0, dtype="float64").astype(dy.dtype)
