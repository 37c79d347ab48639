"""Convolution as im2col and cuBLAS's matrix product. Shapes and formulas as in `minicnn.ops.convolution`.

The matrix of windows is KH·KW times the picture. A 1×1 convolution at stride 1 needs none: the picture is the matrix.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.bias import add_bias
from minicnn.kernels.gpu.columns import add_back, fill_columns
from minicnn.ops.windows import Padding, Pair, pad_amounts


def scratch(weight: Array, stride: Pair, padding: Padding) -> int:
    """Return how many numbers of memory a window needs: KH·KW·C."""
    return 0 if is_pointwise(weight, stride, padding) else weight.size // weight.shape[3]


def forward(
    x: Array, weight: Array, bias: Array | None, relu: bool, stride: Pair, padding: Padding, y: Array,
    dilation: Pair = (1, 1),
) -> None:  # fmt: skip
    """Write im2col(x)·W into y (N, OH, OW, F); if there is a bias, add it, and apply ReLU if `relu`.

    x, y: contiguous.
    """
    rows = y.reshape(-1, y.shape[3])
    array_module(x).matmul(windows(x, weight, stride, padding, dilation, len(rows)), filter_matrix(weight), out=rows)
    if bias is not None:
        add_bias(rows, bias, relu)


def backward(
    dz: Array, x: Array, weight: Array, stride: Pair, padding: Padding, dx: Array | None, dilation: Pair = (1, 1)
) -> Array:
    """Return dW = im2col(x)ᵀ·dZ, like weight, and write col2im(dZ·Wᵀ) into dx if it is asked for. All contiguous."""
    xp, matrix = array_module(x), filter_matrix(weight)
    rows = dz.reshape(-1, matrix.shape[1])
    columns = windows(x, weight, stride, padding, dilation, len(rows))
    dweight = columns.T @ rows
    if dx is not None and is_pointwise(weight, stride, padding):
        xp.matmul(rows, matrix.T, out=dx.reshape(-1, x.shape[3]))
    elif dx is not None:
        xp.matmul(rows, matrix.T, out=columns)  # the windows are used up: dcolumns takes their memory
        add_back(columns, dx, (weight.shape[0], weight.shape[1]), stride, padding, dilation)
    return dweight.reshape(weight.shape)


def windows(x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair, count: int) -> Array:
    """Return im2col(x) (count, KH·KW·C)."""
    length = weight.size // weight.shape[3]
    if is_pointwise(weight, stride, padding):
        return x.reshape(count, length)
    columns = array_module(x).empty((count, length), dtype=x.dtype)
    fill_columns(x, columns, (weight.shape[0], weight.shape[1]), stride, padding, dilation)
    return columns


def filter_matrix(weight: Array) -> Array:
    """Return the filters (KH, KW, C, F) as the matrix W (KH·KW·C, F)."""
    return weight.reshape(-1, weight.shape[3])


def is_pointwise(weight: Array, stride: Pair, padding: Padding) -> bool:
    """Return whether a window is one pixel and every pixel has its window: then x itself is the matrix."""
    return weight.shape[:2] == (1, 1) and stride == (1, 1) and pad_amounts(padding) == ((0, 0), (0, 0))
