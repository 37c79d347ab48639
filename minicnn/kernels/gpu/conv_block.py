"""Convolution + bias [+ ReLU] [+ max-pool] for CuPy arrays. Shapes as in `minicnn.ops.conv_block`.

Each chunk's product z = im2col(x)·W goes into a buffer; one kernel adds the bias, applies ReLU, takes the maximum of
every window and writes y and its arg max. The convolution's output exists for one chunk at a time, forward and
backward, and is read and written once.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.algorithms import choose_algorithm
from minicnn.kernels.gpu.convolution import (
    Gradients,
    convolve,
    convolve_backward,
    image_chunks,
    output_shape,
    require_filters,
)
from minicnn.kernels.gpu.launch import kernels_take, launch, lines
from minicnn.kernels.gpu.pooling import window_sizes
from minicnn.ops.pooling import argmax_dtype, require_pooling_padding
from minicnn.ops.windows import Padding, Pair, require_shape


def conv_block(
    x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
) -> tuple[Array, Array | None]:  # fmt: skip
    """Run convolution, ReLU and max-pool as one: the twin of `minicnn.ops.conv_block.conv_block`."""
    require_filters("conv_block", x, weight, bias)
    if not kernels_take(x, weight, bias):
        return NotImplemented
    if pool_size is None:
        return convolve(x, weight, bias, stride, padding, relu), None
    require_pooling_padding(pool_size, pool_padding)
    xp = array_module(x)
    z_shape = output_shape(x, weight, stride, padding)
    _, y_shape = window_sizes(z_shape, pool_size, pool_stride, pool_padding)
    y, argmax = xp.empty(y_shape, dtype=x.dtype), xp.empty(y_shape, dtype=argmax_dtype(pool_size))
    x, bias = xp.ascontiguousarray(x), xp.ascontiguousarray(bias)
    algorithm = choose_algorithm(x, weight, stride, padding)
    numbers = algorithm.scratch(weight, stride, padding) + z_shape[3]
    for chunk in image_chunks(z_shape, numbers, x.dtype.itemsize):
        images = chunk.stop - chunk.start
        z = xp.empty((images, *z_shape[1:]), dtype=x.dtype)
        algorithm.forward(x[chunk], weight, None, False, stride, padding, z)
        sizes, _ = window_sizes((images, *z_shape[1:]), pool_size, pool_stride, pool_padding)
        pixels = images * y_shape[1] * y_shape[2]
        launch(
            "pooling.cu", "bias_relu_max_pool", lines(pixels, y_shape[3]),
            (z, bias, relu, y[chunk], argmax[chunk], pixels, *sizes), real=x.dtype, index=argmax.dtype,
        )  # fmt: skip
        del z  # before the next one is made: the workspace holds one
    return y, argmax


def conv_block_backward(
    dy: Array, x: Array, weight: Array, y: Array, argmax: Array | None, stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding, input_gradient: bool = True,
) -> Gradients:  # fmt: skip
    """Run the block backwards: the twin of `minicnn.ops.conv_block.conv_block_backward`."""
    z_shape = output_shape(x, weight, stride, padding)
    size, step, border = (pool_size, pool_stride, pool_padding) if pool_size else ((1, 1), (1, 1), (0, 0))
    _, y_shape = window_sizes(z_shape, size, step, border)
    require_shape(
        dy.shape == y.shape == y_shape and weight.shape[2] == x.shape[3],
        "conv_block_backward", dy=dy.shape, y=y.shape, x=x.shape, weight=weight.shape,
    )  # fmt: skip
    if pool_size is not None:
        argmax_shape = None if argmax is None else argmax.shape
        require_shape(argmax_shape == dy.shape, "conv_block_backward", dy=dy.shape, argmax=argmax_shape)
    if not kernels_take(dy, x, weight, y):
        return NotImplemented
    xp = array_module(dy)
    dy, y = xp.ascontiguousarray(dy), xp.ascontiguousarray(y)
    # Without a pool each pixel is a window of its own, and its only element the largest.
    argmax = xp.zeros(y_shape, dtype="uint8") if argmax is None else xp.ascontiguousarray(argmax)

    def product_gradient(chunk: slice) -> Array:
        """Return dz of one chunk: dy where y > 0, at the window's arg max."""
        images = chunk.stop - chunk.start
        dz = xp.empty((images, *z_shape[1:]), dtype=dy.dtype)
        sizes, _ = window_sizes(dz.shape, size, step, border)
        pixels = images * z_shape[1] * z_shape[2]
        launch(
            "pooling.cu", "max_pool_backward", lines(pixels, z_shape[3]),
            (dy[chunk], y[chunk], relu, argmax[chunk], dz, pixels, *sizes), real=dy.dtype, index=argmax.dtype,
        )  # fmt: skip
        return dz

    return convolve_backward(product_gradient, x, weight, stride, padding, input_gradient)
