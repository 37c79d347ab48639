"""Convolution for NumPy arrays: depthwise, dilated, or the block of `conv_block` with nothing near it.

Of other groups than depthwise ones there is no kernel: the formula takes one group after the other, each by these.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, whole
from minicnn.kernels.cpu.conv_block import conv_block, conv_block_backward
from minicnn.kernels.cpu.depthwise import depthwise, depthwise_backward
from minicnn.kernels.cpu.dilated import dilated, dilated_backward
from minicnn.ops.conv_block import Convolution, Epilogue
from minicnn.ops.windows import Padding, Pair


def conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Pair = (1, 1), padding: Padding = (0, 0),
    groups: int = 1, dilation: Pair = (1, 1),
) -> np.ndarray:  # fmt: skip
    """Slide F filters over each picture: the twin of `minicnn.ops.convolution.conv2d`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    if groups > 1:
        if groups != x.shape[3]:
            return NotImplemented
        return depthwise(x, weight, bias, stride, padding, dilation)
    if _is_dilated(weight, dilation):
        return dilated(x, weight, bias, stride, padding, dilation)
    result = conv_block(x, weight, bias, Convolution(*whole((stride, padding))), Epilogue())
    return result if result is NotImplemented else result[0]


def conv2d_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, input_gradient: bool = True,
    groups: int = 1, dilation: Pair = (1, 1),
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:  # fmt: skip
    """Turn dy into dx, dweight and dbias: the twin of `minicnn.ops.convolution.conv2d_backward`."""
    if x.dtype not in FLOATS:
        return NotImplemented
    if groups > 1:
        if groups != x.shape[3]:
            return NotImplemented
        return depthwise_backward(dy, x, weight, stride, padding, dilation, input_gradient)
    if _is_dilated(weight, dilation):
        return dilated_backward(dy, x, weight, stride, padding, dilation, input_gradient)
    y = dy  # only ReLU would look at it
    convolution = Convolution(*whole((stride, padding)))
    return conv_block_backward(dy, x, weight, y, None, convolution, Epilogue(), input_gradient)


def _is_dilated(weight: np.ndarray, dilation: Pair) -> bool:
    """Return whether the dilation is felt: a single row or column of elements has no neighbours to lie apart from."""
    return any(length > 1 and apart > 1 for length, apart in zip(weight.shape[:2], dilation, strict=True))
