"""A block of neighbouring layers as one operation: batch normalisation [+ residual] [+ ReLU], as in training.

The formula is literally the composition. What the block gains: a kernel normalises, adds and cuts off in one pass over
memory, and backward needs no more of the forward pass than x and the block's own output, which says where ReLU let
values through. In inference the normalisation is folded into the convolution before it (`conv_block`).

Source: He et al. 2016, "Deep Residual Learning", figure 2, with batch normalisation as in its §3.4.
"""

from __future__ import annotations

from minicnn.backend import Array
from minicnn.dispatch import accelerated
from minicnn.ops.activations import relu as relu_forward
from minicnn.ops.activations import relu6 as relu6_forward
from minicnn.ops.activations import relu6_backward, relu_backward
from minicnn.ops.batch_norm import (
    batch_norm,
    batch_norm_backward,
    require_channels,
    require_gradient,
    require_several_pixels,
)
from minicnn.ops.windows import require_one_dtype, require_shape


def _check(
    x: Array, weight: Array, bias: Array, epsilon: float, residual: Array | None = None, relu: bool = True,
    relu6: bool = False,
) -> None:  # fmt: skip
    require_channels("norm_block", x, weight=weight, bias=bias)
    require_several_pixels("norm_block", x)
    if residual is not None:
        require_shape(residual.shape == x.shape, "norm_block", x=x.shape, residual=residual.shape)
        require_one_dtype("norm_block", x=x, residual=residual)


@accelerated(_check)
def norm_block(
    x: Array, weight: Array, bias: Array, epsilon: float, residual: Array | None = None, relu: bool = True,
    relu6: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Normalise by the batch's statistics, add the residual if there is one, apply ReLU if `relu`, ReLU6 if `relu6`.

        y = relu(batch_norm(x) + residual)

    x: (N, H, W, C) with N·H·W ≥ 2. weight, bias: (C,). epsilon: ε, added to the variance. residual: like x, or None.
    Returns (y like x; mean (C,); variance (C,), biased). Raises as `batch_norm`.
    """
    y, mean, variance = batch_norm(x, weight, bias, epsilon)
    if residual is not None:
        y = y + residual
    if relu6:
        y = relu6_forward(y)
    elif relu:
        y = relu_forward(y)
    return y, mean, variance


def _check_backward(
    dy: Array, x: Array, y: Array, weight: Array, mean: Array, variance: Array, epsilon: float, relu: bool = True,
    residual: bool = True, relu6: bool = False,
) -> None:  # fmt: skip
    require_channels("norm_block_backward", x, weight=weight, mean=mean, variance=variance)
    require_several_pixels("norm_block_backward", x)
    require_gradient("norm_block_backward", dy, x)
    require_shape(y.shape == x.shape, "norm_block_backward", y=y.shape, x=x.shape)
    require_one_dtype("norm_block_backward", y=y, x=x)


@accelerated(_check_backward)
def norm_block_backward(
    dy: Array, x: Array, y: Array, weight: Array, mean: Array, variance: Array, epsilon: float, relu: bool = True,
    residual: bool = True, relu6: bool = False,
) -> tuple[Array, Array, Array, Array | None]:  # fmt: skip
    """Run the block backwards from what its forward pass returned.

    dy, x, y: (N, H, W, C). weight, mean, variance: (C,), epsilon, relu, relu6: as given to `norm_block` and returned by
    it. residual: whether one was added. Returns (dx like x, dweight (C,), dbias (C,), dresidual like x, or None without
    a residual). Where ReLU is not part of the block, dresidual is dy itself and no copy. Raises as
    `batch_norm_backward`.
    """
    dz = relu6_backward(dy, y) if relu6 else relu_backward(dy, y) if relu else dy
    dx, dweight, dbias = batch_norm_backward(dz, x, weight, mean, variance, epsilon)
    return dx, dweight, dbias, dz if residual else None
