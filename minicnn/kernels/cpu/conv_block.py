"""Convolution + bias [+ ReLU] [+ max-pool] for NumPy arrays, without the convolution's output ever in main memory."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.algorithms import choose_algorithm
from minicnn.kernels.cpu.arrays import FLOATS, plain, whole
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.strips import Block, block_geometry, products
from minicnn.kernels.cpu.team import team_size
from minicnn.ops.pooling import argmax_dtype
from minicnn.ops.windows import Padding, Pair, require_shape


def conv_block(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """Run convolution, ReLU and max-pool as one: the twin of `minicnn.ops.conv_block.conv_block`."""
    if x.dtype not in FLOATS or weight.dtype != x.dtype or bias.dtype != x.dtype or len(x) == 0:
        return NotImplemented
    require_shape(
        x.ndim == weight.ndim == 4 and x.shape[3] == weight.shape[2] and bias.shape == weight.shape[3:],
        "conv2d", x=x.shape, weight=weight.shape, bias=bias.shape,
    )  # fmt: skip
    block = _geometry(x.shape, weight.shape, stride, padding, relu, pool_size, pool_stride, pool_padding)
    if block is None:
        return NotImplemented
    y = empty((x.shape[0], block.y_height, block.y_width, block.filters), x.dtype)
    argmax = _no_argmax() if pool_size is None else empty(y.shape, argmax_dtype(pool_size))
    x, weight, bias = (plain(array) for array in (x, weight, bias))
    threads = team_size(products(block, x.shape[0]))
    choose_algorithm(block, x.shape[0], x.dtype).forward(x, weight, bias, y, argmax, block, threads)
    return y, None if pool_size is None else argmax


def conv_block_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, y: np.ndarray, argmax: np.ndarray | None, stride: Pair,
    padding: Padding, relu: bool, pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
    input_gradient: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:  # fmt: skip
    """Run the block backwards: the twin of `minicnn.ops.conv_block.conv_block_backward`."""
    if dy.dtype not in FLOATS or not dy.dtype == x.dtype == weight.dtype == y.dtype or len(x) == 0:
        return NotImplemented
    require_shape(x.ndim == weight.ndim == 4, "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape)
    block = _geometry(x.shape, weight.shape, stride, padding, relu, pool_size, pool_stride, pool_padding)
    if block is None:
        return NotImplemented
    require_shape(
        dy.shape == y.shape == (x.shape[0], block.y_height, block.y_width, block.filters)
        and x.shape[3] == block.channels,
        "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape,
    )  # fmt: skip
    if pool_size is not None:  # compiled code would read beyond the end of a smaller arg max
        argmax_shape = None if argmax is None else argmax.shape
        require_shape(argmax_shape == dy.shape, "conv_block_backward", dy=dy.shape, argmax=argmax_shape)
    if argmax is None or pool_size is None:
        argmax = _no_argmax()
    elif argmax.dtype != argmax_dtype(pool_size):
        return NotImplemented
    dy, x, weight, y, argmax = (plain(array) for array in (dy, x, weight, y, argmax))
    dx = empty(x.shape if input_gradient else (1, 1, 1, 1), x.dtype)
    algorithm, threads = choose_algorithm(block, x.shape[0], x.dtype), team_size(products(block, x.shape[0]))
    dweight, dbias = algorithm.backward(dy, x, weight, y, argmax, dx, block, input_gradient, threads)
    return dx if input_gradient else None, dweight.reshape(weight.shape), dbias


def _geometry(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], stride: Pair, padding: Padding, relu: bool,
    pool_size: Pair | None, pool_stride: Pair, pool_padding: Padding,
) -> Block | None:  # fmt: skip
    """Return the block's geometry, or None where a setting is not made of whole numbers.

    Raises ShapeError when a window does not fit, or a pooling window may lie in the padding alone.
    """
    try:
        stride, padding, *pool = whole((stride, padding, pool_size, pool_stride, pool_padding))
    except TypeError:
        return None
    return block_geometry(x_shape, weight_shape, stride, padding, bool(relu), *pool)


def _no_argmax() -> np.ndarray:
    """Return the array that stands for "no pool", of the type that compiled code expects."""
    return np.empty((1, 1, 1, 1), np.uint8)
