"""Convolution for NumPy arrays: the block of `conv_block` with nothing near it."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.conv_block import conv_block, conv_block_backward
from minicnn.ops.conv_block import Convolution, Epilogue
from minicnn.ops.windows import Padding, Pair


def conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Pair = (1, 1), padding: Padding = (0, 0),
    groups: int = 1, dilation: Pair = (1, 1),
) -> np.ndarray:  # fmt: skip
    """Slide F filters over each picture: the twin of `minicnn.ops.convolution.conv2d`."""
    result = conv_block(x, weight, bias, Convolution(stride, padding, groups, dilation), Epilogue())
    return result if result is NotImplemented else result[0]


def conv2d_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, input_gradient: bool = True,
    groups: int = 1, dilation: Pair = (1, 1),
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:  # fmt: skip
    """Turn dy into dx, dweight and dbias: the twin of `minicnn.ops.convolution.conv2d_backward`."""
    y, convolution = dy, Convolution(stride, padding, groups, dilation)  # only ReLU would look at y
    return conv_block_backward(dy, x, weight, y, None, convolution, Epilogue(), input_gradient)
