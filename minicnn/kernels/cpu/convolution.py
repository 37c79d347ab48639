"""Convolution for NumPy arrays: the block of `conv_block` with neither ReLU nor pool."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.conv_block import conv_block, conv_block_backward
from minicnn.ops.conv_block import Convolution, Epilogue
from minicnn.ops.windows import Padding, Pair, output_size, require_shape


def conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: Pair = (1, 1), padding: Padding = (0, 0)
) -> np.ndarray:
    """Slide F filters over each picture: the twin of `minicnn.ops.convolution.conv2d`."""
    require_shape(
        x.ndim == weight.ndim == 4 and x.shape[3] == weight.shape[2] and bias.shape == weight.shape[3:],
        "conv2d", x=x.shape, weight=weight.shape, bias=bias.shape,
    )  # fmt: skip
    if not x.dtype == weight.dtype == bias.dtype:
        return NotImplemented
    output_size((x.shape[1], x.shape[2]), (weight.shape[0], weight.shape[1]), stride, padding)
    result = conv_block(x, weight, bias, Convolution(stride, padding), Epilogue())
    return result if result is NotImplemented else result[0]


def conv2d_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, input_gradient: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Turn dy into dx, dweight and dbias: the twin of `minicnn.ops.convolution.conv2d_backward`."""
    require_shape(x.ndim == weight.ndim == 4, "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape)
    outputs = output_size((x.shape[1], x.shape[2]), (weight.shape[0], weight.shape[1]), stride, padding)
    require_shape(
        dy.shape == (x.shape[0], *outputs, weight.shape[3]) and weight.shape[2] == x.shape[3],
        "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape,
    )  # fmt: skip
    if not dy.dtype == x.dtype == weight.dtype:
        return NotImplemented
    y = dy  # only ReLU would look at it
    return conv_block_backward(dy, x, weight, y, None, Convolution(stride, padding), Epilogue(), input_gradient)
