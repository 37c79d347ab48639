"""The geometry that convolution and pooling share: how a window slides over a padded picture.

A window of K pixels that moves S pixels a step over an input of H pixels, padded by `before` and `after`, stops at

    OH = floor((H + before + after − K) / S) + 1

places; pixels that no whole window reaches are dropped (floor). A dilated window takes every D-th pixel: its K elements
spread over (K − 1)·D + 1 pixels, which then stand for K above.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.errors import ShapeError

Pair = tuple[int, int]
Padding = Pair | tuple[Pair, Pair]  # (PH, PW), or ((top, bottom), (left, right)), in pixels


def as_pair(value: int | Pair, name: str, smallest: int = 1) -> Pair:
    """Return `value` as (vertical, horizontal).

    Raises ShapeError unless it is a whole number, or two of them, of at least `smallest`.
    """
    # What layers pass, at once: with one small picture, asking thoroughly costs as much as computing.
    if type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int and min(value) >= smallest:
        return value
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(_is_whole(v, smallest) for v in pair):
        raise ShapeError(f"{name}={value!r} should be a whole number of at least {smallest}, or a pair of them")
    return int(pair[0]), int(pair[1])


def as_whole(value: int, name: str) -> int:
    """Return `value`. Raises ShapeError unless it is a whole number of at least 1."""
    if not _is_whole(value, 1):
        raise ShapeError(f"{name}={value!r} should be a whole number of at least 1")
    return int(value)


def is_number(value: object) -> bool:
    """Return whether `value` is a number, and no text or the like, so that it can be compared."""
    return isinstance(value, Real)


def _is_whole(value: Any, smallest: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= smallest


def pad_amounts(padding: Padding) -> tuple[Pair, Pair]:
    """Return `padding` as ((top, bottom), (left, right)) in pixels.

    Raises ShapeError for anything else than (PH, PW) or ((top, bottom), (left, right)) of whole numbers ≥ 0.
    """
    if not isinstance(padding, tuple | list) or len(padding) != 2:
        raise ShapeError(f"padding={padding!r} should be (PH, PW) or ((top, bottom), (left, right)), in pixels")
    vertical, horizontal = padding
    return as_pair(vertical, "padding", smallest=0), as_pair(horizontal, "padding", smallest=0)


def same_padding(size: Pair, kernel: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """Return the padding that makes the output ceil(input / stride), TensorFlow's "same".

    An odd pixel goes to the bottom and the right.
    """

    def one_axis(length: int, window: int, step: int) -> Pair:
        outputs = -(-length // step)
        total = max((outputs - 1) * step + window - length, 0)
        return total // 2, total - total // 2

    return one_axis(size[0], kernel[0], stride[0]), one_axis(size[1], kernel[1], stride[1])


def spread(kernel: Pair, dilation: Pair) -> Pair:
    """Return how many pixels a window of `kernel` elements, `dilation` pixels apart, lies over: (K − 1)·D + 1.

    Raises ShapeError when either is no number of pixels.
    """
    (kh, kw), (dh, dw) = as_pair(kernel, "window"), as_pair(dilation, "dilation")
    return (kh - 1) * dh + 1, (kw - 1) * dw + 1


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Padding) -> Pair:
    """Return (OH, OW): how many windows fit, vertically and horizontally.

    Raises ShapeError when not even one does, or window or stride are no pixels.
    """
    (kh, kw), _ = as_pair(kernel, "window"), as_pair(stride, "stride")
    (top, bottom), (left, right) = pad_amounts(padding)
    height, width = size[0] + top + bottom, size[1] + left + right
    if height < kh or width < kw:
        raise ShapeError(
            f"a {kh}×{kw} window does not fit into an input of {height}×{width} pixels "
            "(padding included): the picture is too small for this network, or the window too large"
        )
    return (height - kh) // stride[0] + 1, (width - kw) // stride[1] + 1


def pad_image(x: Array, padding: Padding, value: float = 0.0) -> Array:
    """Return x (N, H, W, C) with `value` around it: (N, top + H + bottom, left + W + right, C)."""
    vertical, horizontal = pad_amounts(padding)
    if vertical == horizontal == (0, 0):
        return x
    return array_module(x).pad(x, ((0, 0), vertical, horizontal, (0, 0)), constant_values=value)


def window_slice(offset: Pair, outputs: Pair, stride: Pair, dilation: Pair = (1, 1)) -> tuple[slice, slice]:
    """Return the rows and columns of the padded picture that offset (ky, kx) of every window falls on.

    Window (i, j) starts at (i·SH, j·SW), so its element (ky, kx) lies at (i·SH + ky·DH, j·SW + kx·DW): a strided slice.
    """
    (oh, ow), (sh, sw) = outputs, stride
    y, x = offset[0] * dilation[0], offset[1] * dilation[1]
    return slice(y, y + sh * (oh - 1) + 1, sh), slice(x, x + sw * (ow - 1) + 1, sw)


def require_one_dtype(operation: str, **arrays: Array) -> None:
    """Raise TypeError, naming the dtypes that `operation` was given, unless they are one."""
    if len({array.dtype for array in arrays.values()}) > 1:
        listed = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise TypeError(f"{operation}: these dtypes differ: {listed}; convert with astype first")


def require_shape(fits: bool, operation: str, **shapes: Any) -> None:
    """Raise ShapeError naming the shapes that `operation` was given, unless they fit."""
    if not fits:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"{operation}: these shapes do not belong together: {listed}")
