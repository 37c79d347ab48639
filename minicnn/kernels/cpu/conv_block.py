"""Convolution and what is near it, for NumPy arrays; of large pictures its output is never in main memory."""

from __future__ import annotations

from functools import partial

import numpy as np

from minicnn.kernels.cpu import few_windows, taps
from minicnn.kernels.cpu.algorithms import choose_algorithm
from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.depthwise import depthwise
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.schedule import backward, forward
from minicnn.kernels.cpu.strips import Finish, Received, block_geometry, multiplications
from minicnn.kernels.cpu.team import team_size
from minicnn.ops.conv_block import Convolution, Epilogue
from minicnn.ops.pooling import argmax_dtype

_NO_ARGMAX = np.empty((1, 1, 1, 1), np.uint8)  # stands for "no arg max", in the type that compiled code expects


def conv_block(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, convolution: Convolution, epilogue: Epilogue,
    scale: np.ndarray | None = None, residual: np.ndarray | None = None, indices: bool = True,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """Run a convolution and what is near it as one: the twin of `minicnn.ops.conv_block.conv_block`."""
    pool = epilogue.pool
    if x.dtype not in FLOATS or len(x) == 0 or (pool is not None and (residual is not None or epilogue.relu6)):
        return NotImplemented
    if convolution.groups == x.shape[3] > 1 and pool is None and residual is None:
        return _depthwise(x, weight, bias, convolution, epilogue, scale), None
    if not convolution.plain:
        return NotImplemented
    if _is_pixelwise(weight, convolution) and pool is None and len(x) > 1:
        tall = None if residual is None else _one_picture(residual)
        y, _ = conv_block(_one_picture(x), weight, bias, convolution, epilogue, scale, tall)
        return y.reshape(*x.shape[:3], -1), None
    indices = indices and pool is not None
    scaled, added = scale is not None, residual is not None
    block = block_geometry(x.shape, weight.shape, convolution, epilogue, scaled, added, indices)
    y = empty((x.shape[0], block.y_height, block.y_width, block.filters), x.dtype)
    argmax = empty(y.shape, argmax_dtype(pool.size)) if pool is not None and indices else _NO_ARGMAX
    finish = Finish(
        np.zeros(block.filters, x.dtype) if bias is None else plain(bias),
        np.ones(block.filters, x.dtype) if scale is None else plain(scale),
        np.zeros((1, 1, 1, block.filters), x.dtype) if residual is None else plain(residual),
        y,
        argmax,
    )
    threads = team_size(multiplications(block, x.shape[0]))
    algorithm = choose_algorithm(block, x.shape, x.dtype, threads)
    run = algorithm.forward if algorithm in (taps, few_windows) else partial(forward, algorithm)
    run(plain(x), plain(weight), finish, block, threads)
    return y, argmax if indices else None


def conv_block_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, y: np.ndarray, argmax: np.ndarray | None,
    convolution: Convolution, epilogue: Epilogue, input_gradient: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:  # fmt: skip
    """Run the block backwards: the twin of `minicnn.ops.conv_block.conv_block_backward`."""
    if x.dtype not in FLOATS or len(x) == 0 or not convolution.plain or epilogue.relu6:
        return NotImplemented
    if _is_pixelwise(weight, convolution) and epilogue.pool is None and len(x) > 1:
        dx, dweight, dbias = conv_block_backward(
            _one_picture(dy), _one_picture(x), weight, _one_picture(y), None, convolution, epilogue, input_gradient
        )
        return None if dx is None else dx.reshape(x.shape), dweight, dbias
    if argmax is None or epilogue.pool is None:
        argmax = _NO_ARGMAX
    elif argmax.dtype != argmax_dtype(epilogue.pool.size):
        return NotImplemented
    block = block_geometry(x.shape, weight.shape, convolution, epilogue)
    received = Received(plain(dy), plain(y), plain(argmax))
    dx = empty(x.shape if input_gradient else (1, 1, 1, 1), x.dtype)
    threads = team_size(multiplications(block, x.shape[0]))
    algorithm = choose_algorithm(block, x.shape, x.dtype, threads, backward=True)
    run = taps.backward if algorithm is taps else partial(backward, algorithm)
    gradients = run(received, plain(x), plain(weight), dx, block, input_gradient, threads)
    return dx if input_gradient else None, *gradients


def _is_pixelwise(weight: np.ndarray, convolution: Convolution) -> bool:
    """Return whether an output sees one pixel alone, the one at its own place."""
    padding = convolution.padding
    unpadded = not any(pad for pair in padding for pad in (pair if isinstance(pair, tuple) else (pair,)))
    return weight.shape[:2] == (1, 1) and tuple(convolution.stride) == (1, 1) and unpadded


def _one_picture(x: np.ndarray) -> np.ndarray:
    """Return the pictures (N, H, W, C) one below the other, (1, N·H, W, C): one tall picture is cut into better strips.

    Where pixels have nothing to do with each other, it is all the same.
    """
    return plain(x).reshape(1, -1, *x.shape[2:])


def _depthwise(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, convolution: Convolution, epilogue: Epilogue,
    scale: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """Run a block whose convolution is depthwise: its few weights take up the scale."""
    stride, padding, _, dilation = convolution
    weight = weight if scale is None else weight * scale
    return depthwise(x, weight, bias, stride, padding, dilation, epilogue.relu or epilogue.relu6, epilogue.relu6)
