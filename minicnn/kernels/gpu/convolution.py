"""Convolution for CuPy arrays: im2col and cuBLAS, a few pictures at a time. Shapes as in `minicnn.ops.convolution`.

The matrix of windows is KH·KW times the picture. It is made for as many pictures at once as the workspace holds
(MINICNN_GPU_WORKSPACE, in MiB), multiplied, and overwritten by the next chunk, so that its memory does not grow with
the batch. A 1×1 convolution at stride 1 needs none: the picture is the matrix.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from minicnn.backend import Array, array_module
from minicnn.errors import UsageError
from minicnn.kernels.gpu.bias import add_bias, sum_rows
from minicnn.kernels.gpu.columns import add_back, fill_columns
from minicnn.kernels.gpu.launch import LARGEST, kernels_take
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, require_shape

DEFAULT_WORKSPACE = 512  # MiB: chunks so large that the few launches a chunk needs are small beside their work

Gradients = tuple["Array | None", Array, Array]


def conv2d(x: Array, weight: Array, bias: Array, stride: Pair = (1, 1), padding: Padding = (0, 0)) -> Array:
    """Slide F filters over each picture: the twin of `minicnn.ops.convolution.conv2d`."""
    require_filters("conv2d", x, weight, bias)
    if not kernels_take(x, weight, bias):
        return NotImplemented
    return convolve(x, weight, bias, stride, padding, relu=False)


def conv2d_backward(
    dy: Array, x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool = True
) -> Gradients:
    """Turn the output's gradient into the inputs': the twin of `minicnn.ops.convolution.conv2d_backward`."""
    outputs = output_size((x.shape[1], x.shape[2]), (weight.shape[0], weight.shape[1]), stride, padding)
    require_shape(
        dy.shape == (x.shape[0], *outputs, weight.shape[3]) and weight.shape[2] == x.shape[3],
        "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape,
    )  # fmt: skip
    if not kernels_take(dy, x, weight):
        return NotImplemented
    dy = array_module(dy).ascontiguousarray(dy)
    return convolve_backward(lambda chunk: dy[chunk], x, weight, stride, padding, input_gradient)


def convolve(x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding, relu: bool) -> Array:
    """Return Y = im2col(x)·W + bias, and max with 0 if `relu`."""
    xp = array_module(x)
    y = xp.empty(output_shape(x, weight, stride, padding), dtype=x.dtype)
    matrix = filter_matrix(weight)
    for chunk, columns in column_chunks(x, weight, stride, padding):
        rows = y[chunk].reshape(-1, y.shape[3])
        xp.matmul(columns, matrix, out=rows)
        add_bias(rows, bias, relu)
    return y


def convolve_backward(
    dz: Callable[[slice], Array], x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool
) -> Gradients:
    """Return dX = col2im(dZ·Wᵀ), dW = Xᵀ·dZ and dbias = Σ dZ, where `dz` gives dZ for a slice of the batch."""
    xp = array_module(x)
    dx = xp.empty(x.shape, dtype=x.dtype) if input_gradient else None
    matrix = filter_matrix(weight)
    dweight, dbias = xp.zeros(matrix.shape, dtype=x.dtype), xp.zeros(matrix.shape[1], dtype=x.dtype)
    for chunk, columns in column_chunks(x, weight, stride, padding, more=matrix.shape[1]):
        rows = dz(chunk).reshape(-1, matrix.shape[1])
        dweight += columns.T @ rows
        dbias += sum_rows(rows)
        if dx is None:
            continue
        if is_pointwise(weight, stride, padding):
            xp.matmul(rows, matrix.T, out=dx[chunk].reshape(-1, x.shape[3]))
        else:
            xp.matmul(rows, matrix.T, out=columns)  # the windows are used up: dcolumns takes their memory
            add_back(columns, dx[chunk], (weight.shape[0], weight.shape[1]), stride, padding)
    return dx, dweight.reshape(weight.shape), dbias


def column_chunks(
    x: Array, weight: Array, stride: Pair, padding: Padding, more: int = 0
) -> Iterator[tuple[slice, Array]]:
    """Yield im2col of x a chunk of the batch at a time, as (the chunk's slice of N, columns); all share one buffer.

    more: further numbers that the caller keeps for each row of columns; they are counted into the workspace.
    """
    xp = array_module(x)
    x = xp.ascontiguousarray(x)
    kernel = (weight.shape[0], weight.shape[1])
    n, oh, ow, _ = output_shape(x, weight, stride, padding)
    length = kernel[0] * kernel[1] * x.shape[3]
    images = chunk_size(n, oh * ow, length + more, x.dtype.itemsize)
    pointwise = is_pointwise(weight, stride, padding)
    columns = xp.empty((0 if pointwise else images * oh * ow, length), dtype=x.dtype)
    for start in range(0, n, images):
        chunk = slice(start, min(start + images, n))
        if pointwise:
            yield chunk, x[chunk].reshape(-1, length)
        else:
            filled = columns[: (chunk.stop - chunk.start) * oh * ow]
            fill_columns(x[chunk], filled, kernel, stride, padding)
            yield chunk, filled


def chunk_size(images: int, rows: int, length: int, itemsize: int) -> int:
    """Return how many images' matrices of `rows` × `length` numbers fit into the workspace: at least one."""
    fitting = workspace() // max(1, rows * length * itemsize)
    countable = LARGEST // max(1, rows * length)
    return max(1, min(images, fitting, countable))


def workspace() -> int:
    """Return the bytes that a convolution may use besides its inputs and outputs.

    Raises UsageError when MINICNN_GPU_WORKSPACE is no whole number of MiB above 0.
    """
    setting = os.environ.get("MINICNN_GPU_WORKSPACE", str(DEFAULT_WORKSPACE))
    if not setting.isdecimal() or int(setting) == 0:
        raise UsageError(f"MINICNN_GPU_WORKSPACE={setting!r} should be a whole number of MiB above 0, such as 512")
    return int(setting) * 2**20


def filter_matrix(weight: Array) -> Array:
    """Return the filters (KH, KW, C, F) as the matrix W (KH·KW·C, F)."""
    return array_module(weight).ascontiguousarray(weight).reshape(-1, weight.shape[3])


def is_pointwise(weight: Array, stride: Pair, padding: Padding) -> bool:
    """Return whether a window is one pixel and every pixel has its window: then x itself is the matrix."""
    return weight.shape[:2] == (1, 1) and stride == (1, 1) and pad_amounts(padding) == ((0, 0), (0, 0))


def output_shape(x: Array, weight: Array, stride: Pair, padding: Padding) -> tuple[int, int, int, int]:
    """Return (N, OH, OW, F)."""
    oh, ow = output_size((x.shape[1], x.shape[2]), (weight.shape[0], weight.shape[1]), stride, padding)
    return x.shape[0], oh, ow, weight.shape[3]


def require_filters(operation: str, x: Array, weight: Array, bias: Array) -> None:
    """Raise ShapeError unless the filters read x's channels and have one bias each."""
    fits = x.shape[3] == weight.shape[2] and bias.shape == (weight.shape[3],)
    require_shape(fits, operation, x=x.shape, weight=weight.shape, bias=bias.shape)
