"""A block of neighbouring layers as one operation: convolution + bias [+ ReLU] [+ max-pool].

The formula is literally the composition. What the block gains: a kernel need not write the convolution's output, which
is the largest array of a network, and backward needs only the block's own output and its arg max. Where a maximum of
the pool is 0, ReLU let nothing through, and elsewhere the pool sends the gradient to that maximum alone; so

    dz = pool_backward(relu_backward(dy, y))

is the same as masking before the pool, without the convolution's output z.
"""

from __future__ import annotations

from minicnn.backend import Array
from minicnn.dispatch import accelerated
from minicnn.ops.activations import relu as relu_forward
from minicnn.ops.activations import relu_backward
from minicnn.ops.convolution import conv2d, conv2d_backward
from minicnn.ops.pooling import max_pool2d, max_pool2d_backward
from minicnn.ops.windows import Padding, Pair, output_size, require_shape


@accelerated()
def conv_block(
    x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
) -> tuple[Array, Array | None]:  # fmt: skip
    """Run convolution, then ReLU if `relu`, then max-pooling if `pool_size` is given.

    x: (N, H, W, C). weight: (KH, KW, C, F). bias: (F,). stride, padding: the convolution's; pool_size, pool_stride,
    pool_padding: the pool's, in pixels. Returns (y, argmax), argmax None without a pool. Raises as its parts do.
    """
    y, argmax = conv2d(x, weight, bias, stride, padding), None
    if relu:
        y = relu_forward(y)
    if pool_size is not None:
        y, argmax = max_pool2d(y, pool_size, pool_stride, pool_padding)
    return y, argmax


@accelerated()
def conv_block_backward(
    dy: Array, x: Array, weight: Array, y: Array, argmax: Array | None, stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding, input_gradient: bool = True,
) -> tuple[Array | None, Array, Array]:  # fmt: skip
    """Run the block backwards from what its forward pass returned.

    dy, y, argmax: (N, OH, OW, F) as returned by `conv_block`; the rest as given to it. input_gradient: False leaves
    dx out (None). Returns (dx like x, dweight like weight, dbias (F,)). Raises as its parts do, and ShapeError when the
    pool's argmax is missing.
    """
    dz = relu_backward(dy, y) if relu else dy
    if pool_size is not None:
        argmax_shape = None if argmax is None else argmax.shape
        require_shape(argmax_shape == dy.shape, "conv_block_backward", dy=dy.shape, argmax=argmax_shape)
        require_shape(x.ndim == weight.ndim == 4, "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape)
        n, h, w, _ = x.shape
        kh, kw, _, f = weight.shape
        z_shape = (n, *output_size((h, w), (kh, kw), stride, padding), f)
        dz = max_pool2d_backward(dz, argmax, z_shape, pool_size, pool_stride, pool_padding)
    return conv2d_backward(dz, x, weight, stride, padding, input_gradient)
