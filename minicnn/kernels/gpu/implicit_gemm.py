"""Convolution as a matrix product whose matrix of windows is never written, in TF32. The kernels, and how they do it,
stand in implicit_gemm.cu. Shapes and formulas as in `minicnn.ops.convolution`; float32 and dilation (1, 1) only.

The kernels read four channels at once. Where channels or filters are no multiple of four, as the three colours are not,
arrays are copied with zeros in the places that are missing, which change no sum.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import elements, launch
from minicnn.ops.windows import Padding, Pair, pad_amounts

THREADS, ROWS, DEPTH = 128, 128, 16  # of a block, of its tile, and of a step: as implicit_gemm.cu has them
BLOCKS = 528  # that dW is split into: four for each of an H200's 132 multiprocessors, and on every card the same


def scratch(weight: Array, stride: Pair, padding: Padding) -> int:
    """Return how many numbers of memory a window needs: none, if filling up a picture's three colours is left out."""
    return 0


def forward(
    x: Array, weight: Array, bias: Array | None, relu: bool, stride: Pair, padding: Padding, y: Array,
    dilation: Pair = (1, 1),
) -> None:  # fmt: skip
    """Write im2col(x)·W into y (N, OH, OW, F); if there is a bias, add it, and apply ReLU if `relu`.

    x, y: contiguous.
    """
    (top, _), (left, _) = pad_amounts(padding)
    _convolve(by_four(x), by_four(weight, 2, 3), bias, relu, stride, (top, left), y, Lattice((y.shape[1], y.shape[2])))


def backward(
    dz: Array, x: Array, weight: Array, stride: Pair, padding: Padding, dx: Array | None, dilation: Pair = (1, 1)
) -> Array:
    """Return dW = im2col(x)ᵀ·dZ, like weight, and write dX into dx if it is asked for. All contiguous."""
    filled = by_four(dz)
    if dx is not None:
        input_gradient(filled, weight, stride, padding, dx)
    return weight_gradient(filled, by_four(x), stride, padding, weight.shape)


def input_gradient(dz: Array, weight: Array, stride: Pair, padding: Padding, dx: Array) -> None:
    """Write dX, for every pixel the sum over the windows that lie over it, as convolutions of dZ at stride 1.

    Along one axis, pixel y meets number ky of window i where y + top = i·S + ky. So the pixels r, r + S, r + 2S, …
    meet the numbers q, q + S, q + 2S, … alone, q = (r + top) mod S: pixel r + S·m and number q + S·t in window
    m + (r + top − q)/S − t. With growing t the windows go backwards: these pixels are a convolution of dZ with every
    S-th number of the filters, flipped. At stride 1 that is one convolution with all of the flipped filters.
    dz: by four, as from `by_four`.
    """
    (sh, sw), ((top, _), (left, _)) = stride, pad_amounts(padding)
    rows = _progressions(dx.shape[1], weight.shape[0], sh, top)
    columns = _progressions(dx.shape[2], weight.shape[1], sw, left)
    for (y, ky, before_y, h), (x, kx, before_x, w) in itertools.product(rows, columns):
        flipped = weight[ky::sh, kx::sw][::-1, ::-1].transpose(0, 1, 3, 2)
        if flipped.size == 0:
            dx[:, y::sh, x::sw] = 0.0  # a stride beyond the kernel: no window lies over them
        else:
            target = Lattice((h, w), stride, (y, x))
            _convolve(dz, by_four(flipped, 2, 3), None, False, (1, 1), (before_y, before_x), dx, target)


def _progressions(size: int, kernel: int, stride: int, before: int) -> list[tuple[int, int, int, int]]:
    """Return (r, q, padding, count) for each r of one axis, as `input_gradient` explains.

    padding: what the convolution of dZ has before its first pixel; less than 0 where it begins further inside. count:
    the pixels r, r + stride, … below `size`.
    """
    found = []
    for r in range(min(stride, size)):
        windows_before, q = divmod(r + before, stride)
        numbers = len(range(q, kernel, stride))
        found.append((r, q, numbers - 1 - windows_before, len(range(r, size, stride))))
    return found


def weight_gradient(dz: Array, x: Array, stride: Pair, padding: Padding, shape: tuple[int, int, int, int]) -> Array:
    """Return dW, of `shape` (KH, KW, C, F). dz, x: by four, as from `by_four`.

    Its long sum, over all windows, is split into pieces that run side by side and are then added up in order.
    """
    xp = array_module(x)
    n, oh, ow, _ = dz.shape
    kh, kw, c, f = shape
    rows, height, width = n * oh * ow, kh * kw * x.shape[3], _tile_width(f)
    tiles = -(-height // ROWS) * -(-f // width)
    steps = -(-rows // DEPTH)
    span = -(-steps // max(1, BLOCKS // tiles)) * DEPTH
    pieces = -(-rows // span)
    partial = xp.empty((pieces, height, f), dtype=x.dtype)
    dweight = xp.empty((kh, kw, x.shape[3], f), dtype=x.dtype)
    (top, _), (left, _) = pad_amounts(padding)
    sizes = (*x.shape[1:], oh, ow, kh, kw, *stride, top, left)
    launch(
        "implicit_gemm.cu", f"convolve_backward_{width}", ((tiles, pieces), (THREADS,)),
        (x, dz, partial, rows, span, f, *sizes), real=x.dtype,
    )  # fmt: skip
    launch(
        "implicit_gemm.cu", "sum_pieces", elements(dweight.size), (partial, dweight, pieces, dweight.size), real=x.dtype
    )
    return dweight[:, :, :c]


def by_four(array: Array, *axes: int) -> Array:
    """Return `array` contiguous, filled up with zeros to a multiple of four along `axes`, by default the last one.

    It begins at a multiple of 16 bytes, as the kernels' copies of four numbers must.
    """
    xp = array_module(array)
    array = xp.ascontiguousarray(array)
    missing = [-size % 4 if axis in (axes or (array.ndim - 1,)) else 0 for axis, size in enumerate(array.shape)]
    if any(missing):
        return xp.pad(array, [(0, count) for count in missing])
    return array if array.data.ptr % 16 == 0 else array.copy()


@dataclass(frozen=True)
class Lattice:
    """The pixels that a convolution writes: `count` of them on each axis, `step` apart, from `first` on."""

    count: Pair
    step: Pair = (1, 1)
    first: Pair = (0, 0)


def _convolve(
    x: Array, weight: Array, bias: Array | None, relu: bool, stride: Pair, before: Pair, y: Array, target: Lattice
) -> None:  # fmt: skip
    """Convolve x with `weight`, both by four, into the pixels `target` of y. before: the padding, top and left."""
    xp, f = array_module(x), y.shape[3]
    bias = xp.zeros(f, dtype=x.dtype) if bias is None else xp.ascontiguousarray(bias)
    rows, width = x.shape[0] * target.count[0] * target.count[1], _tile_width(f)
    tiles = -(-rows // ROWS) * -(-f // width)
    sizes = (*x.shape[1:], *target.count, *weight.shape[:2], *stride, *before)
    places = (y.shape[1], y.shape[2], *target.step, *target.first)
    launch(
        "implicit_gemm.cu", f"convolve_{width}", ((tiles,), (THREADS,)),
        (x, weight, bias, y, relu, rows, f, *sizes, *places), real=x.dtype,
    )  # fmt: skip


def _tile_width(filters: int) -> int:
    """Return how many columns a tile has."""
    return 32 if filters <= 32 else 64
