"""Convolution as a matrix product whose matrix of windows is never written, in TF32. The kernels, and how they do it,
stand in implicit_gemm.cu. Shapes and formulas as in `minicnn.ops.convolution`; float32 only.

The kernels read four channels at once. Where channels or filters are no multiple of four, as the three colours are not,
arrays are copied with zeros in the places that are missing, which change no sum.
"""

from __future__ import annotations

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
    x: Array, weight: Array, bias: Array | None, relu: bool, stride: Pair, padding: Padding, y: Array
) -> None:  # fmt: skip
    """Write im2col(x)·W into y (N, OH, OW, F); then add the bias, if there is one, and apply ReLU if `relu`.

    x, y: contiguous.
    """
    (top, _), (left, _) = pad_amounts(padding)
    _convolve(by_four(x), by_four(weight, 2, 3), bias, relu, stride, (top, left), y, Lattice((y.shape[1], y.shape[2])))


def backward(dz: Array, x: Array, weight: Array, stride: Pair, padding: Padding, dx: Array | None) -> Array:
    """Return dW = im2col(x)ᵀ·dZ, like weight, and write dX into dx if it is asked for. All contiguous."""
    filled = by_four(dz)
    if dx is not None:
        input_gradient(filled, weight, stride, padding, dx)
    return weight_gradient(filled, by_four(x), stride, padding, weight.shape)


def input_gradient(dz: Array, weight: Array, stride: Pair, padding: Padding, dx: Array) -> None:
    """Write dX: for every pixel, the sum over the windows that lie over it, as convolutions of dZ at stride 1.

    dz: by four, as from `by_four`.

    Along one axis, pixel y meets number ky of window i if y + top = i·S + ky. So the pixels y = r, r + S, r + 2S, …
    meet the numbers ky = q, q + S, q + 2S, … alone, q = (r + top) mod S. Pixel r + S·m and number q + S·t belong to
    window i = m + (r + top − q)/S − t: with growing t the windows go backwards, so these pixels are a convolution of
    dZ with every S-th number of the filters, flipped. At stride 1 it is one convolution with the whole flipped filter.
    """
    padding_before = [before for before, _ in pad_amounts(padding)]
    for rest_y in range(min(stride[0], dx.shape[1])):
        for rest_x in range(min(stride[1], dx.shape[2])):
            rests = (rest_y, rest_x)
            places = [r + p for r, p in zip(rests, padding_before, strict=True)]
            first = [place % s for place, s in zip(places, stride, strict=True)]
            met = weight[first[0] :: stride[0], first[1] :: stride[1]]
            if met.size == 0:
                dx[:, rest_y :: stride[0], rest_x :: stride[1]] = 0.0  # a stride beyond the kernel: no window
                continue
            flipped = by_four(met[::-1, ::-1].transpose(0, 1, 3, 2), 2, 3)
            corner = [n - 1 - place // s for n, place, s in zip(met.shape[:2], places, stride, strict=True)]
            count = [-(-(size - r) // s) for size, r, s in zip(dx.shape[1:3], rests, stride, strict=True)]
            target = Lattice((count[0], count[1]), stride, rests)
            _convolve(dz, flipped, None, False, (1, 1), (corner[0], corner[1]), dx, target)


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
    x: Array, weight: Array, bias: Array | None, relu: bool, stride: Pair, corner: Pair, y: Array, target: Lattice
) -> None:  # fmt: skip
    """Convolve x with `weight`, both by four, into the pixels `target` of y; window (0, 0) begins at −corner."""
    xp, f = array_module(x), y.shape[3]
    bias = xp.zeros(f, dtype=x.dtype) if bias is None else xp.ascontiguousarray(bias)
    rows, width = x.shape[0] * target.count[0] * target.count[1], _tile_width(f)
    tiles = -(-rows // ROWS) * -(-f // width)
    sizes = (*x.shape[1:], *target.count, *weight.shape[:2], *stride, *corner)
    places = (y.shape[1], y.shape[2], *target.step, *target.first)
    launch(
        "implicit_gemm.cu", f"convolve_{width}", ((tiles,), (THREADS,)),
        (x, weight, bias, y, relu, rows, f, *sizes, *places), real=x.dtype,
    )  # fmt: skip


def _tile_width(filters: int) -> int:
    """Return how many columns a tile has."""
    return 32 if filters <= 32 else 64
