"""Convolution for NumPy arrays: the block of `conv_block` with neither ReLU nor pool."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.conv_block import conv_block, conv_block_backward
from minicnn.ops.windows import Padding, Pair


def conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: Pair = (1, 1), padding: Padding = (0, 0)
) -> np.ndarray:
    """Slide F filters over each picture: the twin of `minicnn.ops.convolution.conv2d`."""
    result = conv_block(x, weight, bias, stride, padding, False, None, (1, 1), (0, 0))
    return result if result is NotImplemented else result[0]


def conv2d_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, input_gradient: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Turn dy into dx, dweight and dbias: the twin of `minicnn.ops.convolution.conv2d_backward`."""
    y = dy  # only ReLU would look at it
    return conv_block_backward(
        dy, x, weight, y, None, stride, padding, False, None, (1, 1), (0, 0), input_gradient
    )  # fmt: skip
