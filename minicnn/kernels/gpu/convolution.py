"""Convolution for CuPy arrays, a few pictures at a time. Shapes as in `minicnn.ops.convolution`.

algorithms.py chooses how. The matrix of windows, the output that a block holds before its pool, and its gradient are
made for as many pictures at once as the workspace holds (MINICNN_GPU_WORKSPACE, in MiB), so that their memory does not
grow with the batch. Not counted are copies of inputs, which are made where an array is not contiguous (of the whole
batch) or where implicit GEMM needs a multiple of four channels (of as many pictures as are convolved at once, which is
the whole batch if nothing else is needed for a picture), and implicit GEMM's partial sums of dW, some 17 MB.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from minicnn.backend import Array, array_module
from minicnn.errors import UsageError
from minicnn.kernels.gpu.algorithms import choose_algorithm
from minicnn.kernels.gpu.bias import sum_rows
from minicnn.kernels.gpu.depthwise import depthwise, depthwise_backward
from minicnn.kernels.gpu.launch import LARGEST, kernels_take
from minicnn.ops.windows import Padding, Pair, output_size, require_shape, spread

DEFAULT_WORKSPACE = 512  # MiB: chunks so large that the few launches a chunk needs are small beside their work

Gradients = tuple["Array | None", Array, Array]


def conv2d(
    x: Array, weight: Array, bias: Array | None, stride: Pair = (1, 1), padding: Padding = (0, 0), groups: int = 1,
    dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """Slide F filters over each picture: the twin of `minicnn.ops.convolution.conv2d`."""
    if not kernels_take(x, weight):
        return NotImplemented
    if groups > 1:
        if groups != x.shape[3]:
            return NotImplemented  # the formula takes one group after the other, each by this twin
        return depthwise(x, weight, bias, stride, padding, dilation)
    return convolve(x, weight, bias, stride, padding, relu=False, dilation=dilation)


def conv2d_backward(
    dy: Array, x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool = True, groups: int = 1,
    dilation: Pair = (1, 1),
) -> Gradients:  # fmt: skip
    """Turn the output's gradient into the inputs': the twin of `minicnn.ops.convolution.conv2d_backward`."""
    if not kernels_take(dy, x, weight):
        return NotImplemented
    if groups > 1:
        if groups != x.shape[3]:
            return NotImplemented
        return depthwise_backward(dy, x, weight, stride, padding, dilation, input_gradient)
    dy = array_module(dy).ascontiguousarray(dy)
    return convolve_backward(lambda chunk: dy[chunk], x, weight, stride, padding, input_gradient, dilation)


def convolve(
    x: Array, weight: Array, bias: Array | None, stride: Pair, padding: Padding, relu: bool, dilation: Pair = (1, 1)
) -> Array:
    """Return Y = im2col(x)·W + bias, and max with 0 if `relu`."""
    xp = array_module(x)
    x, y = xp.ascontiguousarray(x), xp.empty(output_shape(x, weight, stride, padding, dilation), dtype=x.dtype)
    algorithm = choose_algorithm(x, weight, stride, padding, dilation=dilation)
    for chunk in image_chunks(y.shape, algorithm.scratch(weight, stride, padding), x.dtype.itemsize):
        algorithm.forward(x[chunk], weight, bias, relu, stride, padding, y[chunk], dilation)
    return y


def convolve_backward(
    dz: Callable[[slice], Array], x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool,
    dilation: Pair = (1, 1),
) -> Gradients:  # fmt: skip
    """Return dX = col2im(dZ·Wᵀ), dW = Xᵀ·dZ and dbias = Σ dZ, where `dz` gives dZ for a slice of the batch."""
    xp = array_module(x)
    x, dx = xp.ascontiguousarray(x), xp.empty(x.shape, dtype=x.dtype) if input_gradient else None
    dweight, dbias = xp.zeros(weight.shape, dtype=x.dtype), xp.zeros(weight.shape[3], dtype=x.dtype)
    algorithm = choose_algorithm(x, weight, stride, padding, backward=True, dilation=dilation)
    numbers = algorithm.scratch(weight, stride, padding) + weight.shape[3]  # dZ is made for the chunk, too
    for chunk in image_chunks(output_shape(x, weight, stride, padding, dilation), numbers, x.dtype.itemsize):
        chunk_dz = dz(chunk)
        dx_chunk = None if dx is None else dx[chunk]
        dweight += algorithm.backward(chunk_dz, x[chunk], weight, stride, padding, dx_chunk, dilation)
        dbias += sum_rows(chunk_dz.reshape(-1, weight.shape[3]))
        del chunk_dz  # before the next one is made: the workspace holds one
    return dx, dweight, dbias


def image_chunks(z_shape: tuple[int, ...], numbers: int, itemsize: int) -> Iterator[slice]:
    """Yield slices of N such that `numbers` for each of their windows fit into the workspace.

    z_shape: (N, OH, OW, F), the convolution's output.
    """
    n, oh, ow, _ = z_shape
    images = chunk_size(n, oh * ow, numbers, itemsize)
    for start in range(0, n, images):
        yield slice(start, min(start + images, n))


def chunk_size(images: int, rows: int, length: int, itemsize: int) -> int:
    """Return how many images' matrices of `rows` × `length` numbers fit into the workspace: at least one."""
    fitting = workspace() // max(1, rows * length * itemsize)
    countable = LARGEST // max(1, rows * max(1, length))
    return max(1, min(images, fitting, countable))


def workspace() -> int:
    """Return the bytes that the matrices made for a chunk of the batch may take together.

    Raises UsageError when MINICNN_GPU_WORKSPACE is no whole number of MiB above 0.
    """
    setting = os.environ.get("MINICNN_GPU_WORKSPACE", str(DEFAULT_WORKSPACE))
    if not setting.isdecimal() or int(setting) == 0:
        raise UsageError(f"MINICNN_GPU_WORKSPACE={setting!r} should be a whole number of MiB above 0, such as 512")
    return int(setting) * 2**20


def output_shape(
    x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[int, int, int, int]:
    """Return (N, OH, OW, F)."""
    kernel = spread((weight.shape[0], weight.shape[1]), dilation)
    oh, ow = output_size((x.shape[1], x.shape[2]), kernel, stride, padding)
    return x.shape[0], oh, ow, weight.shape[3]


def require_filters(operation: str, x: Array, weight: Array, bias: Array) -> None:
    """Raise ShapeError unless the filters read x's channels and have one bias each."""
    fits = x.shape[3] == weight.shape[2] and bias.shape == (weight.shape[3],)
    require_shape(fits, operation, x=x.shape, weight=weight.shape, bias=bias.shape)
