"""Convolution and what is near it, for CuPy arrays. Shapes as in `minicnn.ops.conv_block`.

Each chunk's product z = im2col(x)·W goes into a buffer; one kernel adds the bias, applies ReLU, takes the maximum of
every window and writes y and its arg max. The convolution's output exists for one chunk at a time, forward and
backward, and is read and written once. A scale is multiplied into the filters, which are small beside the pictures.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.algorithms import choose_algorithm
from minicnn.kernels.gpu.convolution import Gradients, convolve, convolve_backward, image_chunks
from minicnn.kernels.gpu.launch import elements, kernels_take, launch, lines
from minicnn.kernels.gpu.pooling import window_sizes
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling, block_shapes
from minicnn.ops.pooling import argmax_dtype


def conv_block(
    x: Array, weight: Array, bias: Array | None, convolution: Convolution, epilogue: Epilogue,
    scale: Array | None = None, residual: Array | None = None, indices: bool = True,
) -> tuple[Array, Array | None]:  # fmt: skip
    """Run a convolution and what is near it as one: the twin of `minicnn.ops.conv_block.conv_block`."""
    relu, pool = epilogue.relu, epilogue.pool
    z_shape, y_shape = block_shapes(x.shape, weight.shape, convolution, epilogue)
    if not kernels_take(x, weight) or not convolution.plain:
        return NotImplemented
    if epilogue.relu6 or (residual is not None and pool is not None):
        return NotImplemented
    xp = array_module(x)
    if scale is not None:
        weight = weight * scale
    bias = xp.zeros(z_shape[3], dtype=x.dtype) if bias is None else xp.ascontiguousarray(bias)
    stride, padding, *_ = convolution
    if pool is None:
        y = convolve(x, weight, bias, stride, padding, relu and residual is None)
        if residual is not None:
            arguments = (y, xp.ascontiguousarray(residual), relu, y.size)
            launch("bias.cu", "add_residual", elements(y.size), arguments, real=x.dtype)
        return y, None
    y = xp.empty(y_shape, dtype=x.dtype)
    argmax = xp.empty(y_shape if indices else (y_shape[0], 0), dtype=argmax_dtype(pool.size))
    x = xp.ascontiguousarray(x)
    algorithm = choose_algorithm(x, weight, stride, padding)
    numbers = algorithm.scratch(weight, stride, padding) + z_shape[3]
    for chunk in image_chunks(z_shape, numbers, x.dtype.itemsize):
        images = chunk.stop - chunk.start
        z = xp.empty((images, *z_shape[1:]), dtype=x.dtype)
        algorithm.forward(x[chunk], weight, None, False, stride, padding, z)
        sizes, _ = window_sizes(z.shape, *pool)
        pixels = images * y_shape[1] * y_shape[2]
        launch(
            "pooling.cu", "bias_relu_max_pool", lines(pixels, y_shape[3]),
            (z, bias, relu, y[chunk], argmax[chunk], indices, pixels, *sizes), real=x.dtype, index=argmax.dtype,
        )  # fmt: skip
        del z  # before the next one is made: the workspace holds one
    return y, argmax if indices else None


def conv_block_backward(
    dy: Array, x: Array, weight: Array, y: Array, argmax: Array | None, convolution: Convolution, epilogue: Epilogue,
    input_gradient: bool = True,
) -> Gradients:  # fmt: skip
    """Run the block backwards: the twin of `minicnn.ops.conv_block.conv_block_backward`."""
    z_shape, y_shape = block_shapes(x.shape, weight.shape, convolution, epilogue)
    if not kernels_take(dy, x, weight, y) or not convolution.plain or epilogue.relu6:
        return NotImplemented
    xp, relu = array_module(dy), epilogue.relu
    dy, y = xp.ascontiguousarray(dy), xp.ascontiguousarray(y)
    # Without a pool each pixel is a window of its own, and its only element the largest.
    pool = epilogue.pool or Pooling((1, 1), (1, 1))
    argmax = xp.zeros(y_shape, dtype="uint8") if argmax is None else xp.ascontiguousarray(argmax)

    def product_gradient(chunk: slice) -> Array:
        """Return dz of one chunk: dy where y > 0, at the window's arg max."""
        images = chunk.stop - chunk.start
        dz = xp.empty((images, *z_shape[1:]), dtype=dy.dtype)
        sizes, _ = window_sizes(dz.shape, *pool)
        pixels = images * z_shape[1] * z_shape[2]
        launch(
            "pooling.cu", "max_pool_backward", lines(pixels, z_shape[3]),
            (dy[chunk], y[chunk], relu, argmax[chunk], dz, pixels, *sizes), real=dy.dtype, index=argmax.dtype,
        )  # fmt: skip
        return dz

    return convolve_backward(product_gradient, x, weight, convolution.stride, convolution.padding, input_gradient)
