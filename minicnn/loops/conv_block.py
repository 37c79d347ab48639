"""Convolution [· scale] + bias [+ residual] [+ ReLU or ReLU6] [+ max-pool], one layer after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn.loops.activations import relu, relu6, relu6_backward, relu_backward
from minicnn.loops.convolution import conv2d, conv2d_backward
from minicnn.loops.pooling import max_pool2d, max_pool2d_backward


def conv_block(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, convolution: Any, epilogue: Any,
    scale: np.ndarray | None = None, residual: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """Return (y, argmax), argmax None without a pool. convolution, epilogue: as the formula takes them."""
    y = _activated(before_activation(x, weight, bias, convolution, scale, residual), epilogue)
    return max_pool2d(y, *epilogue.pool) if epilogue.pool else (y, None)


def conv_block_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, convolution: Any, epilogue: Any
) -> tuple[np.ndarray, ...]:
    """Return dx, dweight and dbias of a block without scale and residual."""
    z = before_activation(x, weight, bias, convolution)
    if epilogue.pool:
        _, argmax = max_pool2d(_activated(z, epilogue), *epilogue.pool)
        dy = max_pool2d_backward(dy, argmax, z.shape, *epilogue.pool)
    dz = relu6_backward(dy, z) if epilogue.relu6 else relu_backward(dy, z) if epilogue.relu else dy
    return conv2d_backward(dz, x, weight, *convolution)


def before_activation(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, convolution: Any, scale: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Return z = conv2d(x) · scale + bias + residual."""
    z = conv2d(x, weight, None, *convolution)
    for place in np.ndindex(z.shape):
        f = place[-1]
        if scale is not None:
            z[place] *= float(scale[f])
        if bias is not None:
            z[place] += float(bias[f])
        if residual is not None:
            z[place] += float(residual[place])
    return z


def _activated(z: np.ndarray, epilogue: Any) -> np.ndarray:
    return relu6(z) if epilogue.relu6 else relu(z) if epilogue.relu else z
