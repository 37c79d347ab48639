"""A block of neighbouring layers as one operation: convolution [· scale] + bias [+ residual] [+ ReLU] [+ max-pool].

The formula is literally the composition. What the block gains: a kernel need not write the convolution's output, which
is the largest array of a network, and backward needs only the block's own output and its arg max. Where a maximum of
the pool is 0, ReLU let nothing through, and elsewhere the pool sends the gradient to that maximum alone; so

    dz = pool_backward(relu_backward(dy, y))

is the same as masking before the pool, without the convolution's output z.
"""

from __future__ import annotations

import marshal
from typing import Any, NamedTuple

from minicnn.backend import Array
from minicnn.dispatch import accelerated
from minicnn.ops.activations import relu, relu6, relu6_backward, relu_backward
from minicnn.ops.convolution import check_conv2d, conv2d, conv2d_backward
from minicnn.ops.pooling import max_pool2d, max_pool2d_backward, require_pooling_padding
from minicnn.ops.windows import Padding, Pair, output_size, require_one_dtype, require_shape, spread

MOST_KEPT = 4096  # of the blocks that were found to fit


class Convolution(NamedTuple):
    """How a convolution's filters slide over the picture, as `conv2d` takes it, in tuples; lengths in pixels."""

    stride: Pair = (1, 1)
    padding: Padding = (0, 0)
    groups: int = 1
    dilation: Pair = (1, 1)

    @property
    def plain(self) -> bool:
        """Whether every filter reads all channels, and pixels side by side."""
        return self.groups == 1 and tuple(self.dilation) == (1, 1)


class Pooling(NamedTuple):
    """How a pool's window slides, as `max_pool2d` takes it, in tuples of pixels."""

    size: Pair
    stride: Pair
    padding: Padding = (0, 0)


class Epilogue(NamedTuple):
    """What a block does behind its convolution: ReLU, or ReLU6, if asked to, then max-pooling if there is a `pool`."""

    relu: bool = False
    pool: Pooling | None = None
    relu6: bool = False


def block_shapes(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], convolution: Convolution, epilogue: Epilogue
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of z, the convolution's output, and of y, the block's: (N, OH, OW, F) both.

    Raises ShapeError when a window does not fit, or one may lie in the padding alone.
    """
    (kh, kw, _, f), (n, h, w, _), pool = weight_shape, x_shape, epilogue.pool
    z = y = output_size((h, w), spread((kh, kw), convolution.dilation), convolution.stride, convolution.padding)
    if pool is not None:
        require_pooling_padding(pool.size, pool.padding)
        y = output_size(z, *pool)
    return (n, *z, f), (n, *y, f)


_fitting: set[tuple[Any, ...]] = set()  # shapes, dtypes and settings that a check has passed


def _check(
    x: Array, weight: Array, bias: Array | None, convolution: Convolution, epilogue: Epilogue,
    scale: Array | None = None, residual: Array | None = None, indices: bool = True,
) -> None:  # fmt: skip
    # A network asks for the same few blocks at every step, and with one small picture a check takes as long as a layer.
    arrays = [None if array is None else (array.shape, array.dtype) for array in (x, weight, bias, scale, residual)]
    key = (*arrays, _exactly(convolution, epilogue))
    if key in _fitting:
        return
    _check_thoroughly(x, weight, bias, convolution, epilogue, scale, residual)
    if key[-1] is not None and len(_fitting) < MOST_KEPT:
        _fitting.add(key)


def _exactly(convolution: Convolution, epilogue: Epilogue) -> bytes | None:
    """Return the settings as bytes, which tell 1 from 1.0 and True as equality does not; None for other kinds."""
    pool = None if epilogue.pool is None else tuple(epilogue.pool)
    settings = (*convolution, epilogue.relu, pool, epilogue.relu6)
    try:
        return marshal.dumps(settings, 2)  # of a version without references between parts
    except ValueError:
        return None


def _check_thoroughly(
    x: Array, weight: Array, bias: Array | None, convolution: Convolution, epilogue: Epilogue, scale: Array | None,
    residual: Array | None,
) -> None:  # fmt: skip
    check_conv2d(x, weight, bias, *convolution)
    shapes = {"x": x.shape, "weight": weight.shape}
    if scale is not None:
        require_shape(scale.shape == weight.shape[3:], "conv_block", **shapes, scale=scale.shape)
    z_shape, _ = block_shapes(x.shape, weight.shape, convolution, epilogue)
    if residual is not None:
        require_shape(residual.shape == z_shape, "conv_block", **shapes, residual=residual.shape)
    optional = {name: array for name, array in (("scale", scale), ("residual", residual)) if array is not None}
    require_one_dtype("conv_block", x=x, **optional)


@accelerated(_check)
def conv_block(
    x: Array, weight: Array, bias: Array | None, convolution: Convolution, epilogue: Epilogue,
    scale: Array | None = None, residual: Array | None = None, indices: bool = True,
) -> tuple[Array, Array | None]:  # fmt: skip
    """Run a convolution and what is near it as one: y = pool(relu(conv2d(x, weight) · scale + bias + residual)).

    x: (N, H, W, C). weight: (KH, KW, C/groups, F). bias: (F,), or None. scale: (F,), a batch norm that was folded into
    the block, or None. residual: added before ReLU, (N, OH, OW, F) like the convolution's output, or None. indices:
    False leaves arg max out, which only backward needs. Returns (y, argmax), argmax None without a pool or without
    indices. Raises ShapeError when the shapes do not belong together or a window does not fit, TypeError when dtypes
    differ.
    """
    z = conv2d(x, weight, bias if scale is None else None, *convolution)
    if scale is not None:
        z = z * scale if bias is None else z * scale + bias
    if residual is not None:
        z = z + residual
    y = relu6(z) if epilogue.relu6 else relu(z) if epilogue.relu else z
    if epilogue.pool is None:
        return y, None
    return max_pool2d(y, *epilogue.pool, indices)


def _check_backward(
    dy: Array, x: Array, weight: Array, y: Array, argmax: Array | None, convolution: Convolution, epilogue: Epilogue,
    input_gradient: bool = True,
) -> None:  # fmt: skip
    given = {"dy": dy.shape, "x": x.shape, "weight": weight.shape, "y": y.shape}
    fits = x.ndim == weight.ndim == 4 and x.shape[3] == weight.shape[2] * convolution.groups
    require_shape(fits, "conv_block_backward", **given)
    _, y_shape = block_shapes(x.shape, weight.shape, convolution, epilogue)
    require_shape(dy.shape == y.shape == y_shape, "conv_block_backward", **given)
    if epilogue.pool is not None:
        argmax_shape = None if argmax is None else argmax.shape
        require_shape(argmax_shape == dy.shape, "conv_block_backward", dy=dy.shape, argmax=argmax_shape)
    require_one_dtype("conv_block_backward", dy=dy, x=x, weight=weight, y=y)


@accelerated(_check_backward)
def conv_block_backward(
    dy: Array, x: Array, weight: Array, y: Array, argmax: Array | None, convolution: Convolution, epilogue: Epilogue,
    input_gradient: bool = True,
) -> tuple[Array | None, Array, Array]:  # fmt: skip
    """Run a block without scale and residual backwards from what its forward pass returned.

    dy, y, argmax: (N, OH, OW, F) as returned by `conv_block`; the rest as given to it. input_gradient: False leaves
    dx out (None). Returns (dx like x, dweight like weight, dbias (F,)). Raises ShapeError when the shapes do not belong
    together or the pool's argmax is missing, TypeError when dtypes differ.
    """
    dz = relu6_backward(dy, y) if epilogue.relu6 else relu_backward(dy, y) if epilogue.relu else dy
    if epilogue.pool is not None:
        z_shape, _ = block_shapes(x.shape, weight.shape, convolution, epilogue)
        dz = max_pool2d_backward(dz, argmax, z_shape, *epilogue.pool)
    stride, padding, groups, dilation = convolution
    return conv2d_backward(dz, x, weight, stride, padding, input_gradient, groups, dilation)
