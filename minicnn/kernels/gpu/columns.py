"""im2col and col2im for CuPy arrays. Shapes as in `minicnn.ops.columns`; the kernels stand in columns.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import LARGEST, kernels_take, launch, lines
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, spread


def im2col(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Array:
    """Copy every window of x into a row of a matrix: the twin of `minicnn.ops.columns.im2col`."""
    n, h, w, c = x.shape
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    if not kernels_take(x) or n * oh * ow * kernel[0] * kernel[1] * c > LARGEST:
        return NotImplemented
    xp = array_module(x)
    columns = xp.empty((n * oh * ow, kernel[0] * kernel[1] * c), dtype=x.dtype)
    fill_columns(xp.ascontiguousarray(x), columns, kernel, stride, padding, dilation)
    return columns


def col2im(
    columns: Array, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> Array:
    """Add every row of the matrix back to its pixels: the twin of `minicnn.ops.columns.col2im`."""
    xp = array_module(columns)
    x = xp.empty(x_shape, dtype=columns.dtype)
    if not kernels_take(x):
        return NotImplemented
    add_back(xp.ascontiguousarray(columns), x, kernel, stride, padding, dilation)
    return x


def fill_columns(x: Array, columns: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> None:
    """Write im2col of x into `columns`, both contiguous."""
    n, oh, ow, sizes = _sizes(x, kernel, stride, padding, dilation)
    kh, kw = kernel
    count = n * oh * ow * kh
    layout = lines(count, kw * x.shape[3])
    launch("columns.cu", "im2col", layout, (x, columns, count, *sizes), real=x.dtype)


def add_back(columns: Array, x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> None:
    """Write col2im of `columns` into x, both contiguous."""
    *_, sizes = _sizes(x, kernel, stride, padding, dilation)
    n, h, w, c = x.shape
    launch("columns.cu", "col2im", lines(n * h * w, c), (columns, x, n * h * w, *sizes), real=x.dtype)


def _sizes(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> tuple[int, int, int, tuple[int, ...]]:
    """Return N, OH, OW and the numbers that both kernels take: H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, top, left."""
    n, h, w, c = x.shape
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    (top, _), (left, _) = pad_amounts(padding)
    return n, oh, ow, (h, w, c, oh, ow, *kernel, *stride, *dilation, top, left)
