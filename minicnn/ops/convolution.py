"""Convolution (cross-correlation, as the documents write it) as one matrix product over im2col.

Shapes: x (N, H, W, C); weight (KH, KW, C, F); bias (F,); y (N, OH, OW, F).

    y[n, i, j, f] = Σ_ky Σ_kx Σ_c  x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c] · weight[ky, kx, c, f]  +  bias[f]

With X = im2col(x), W = weight as (KH·KW·C, F) and dY as (N·OH·OW, F):

    Y = X·W + bias        dW = Xᵀ·dY        dbias = Σ_rows dY        dX = dY·Wᵀ, brought back by col2im

The last is the full correlation of dY with the flipped kernel. Source: document 004 §4.1.1 and §4.2, corrected: the
printed formula lacks the filter's output index, and its gradients lack the transposes and the flip.

A grouped convolution is several convolutions side by side, each of C/groups channels by F/groups filters of its own:
weight is (KH, KW, C/groups, F), and filter f reads the channels of group f // (F/groups). With as many groups as
channels it is called depthwise. Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural
Networks", §3.5; Chollet 2017, "Xception: Deep Learning with Depthwise Separable Convolutions".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import ShapeError
from minicnn.ops.columns import col2im, im2col
from minicnn.ops.windows import Padding, Pair, as_whole, output_size, require_one_dtype, require_shape, spread

ROWS_AT_A_TIME = 4096  # of the long sum of dW in float64: few enough for little memory, enough for a fast product


def check_conv2d(
    x: Array, weight: Array, bias: Array | None, stride: Pair = (1, 1), padding: Padding = (0, 0), groups: int = 1,
    dilation: Pair = (1, 1),
) -> None:  # fmt: skip
    """Raise what `conv2d` raises for arguments that do not belong together."""
    shapes = {"x": x.shape, "weight": weight.shape, "bias": None if bias is None else bias.shape}
    require_shape(x.ndim == weight.ndim == 4 and shapes["bias"] in (None, weight.shape[3:]), "conv2d", **shapes)
    _require_groups("conv2d", groups, shapes)
    require_one_dtype("conv2d", **{"x": x, "weight": weight} | ({} if bias is None else {"bias": bias}))
    output_size(x.shape[1:3], spread(weight.shape[:2], dilation), stride, padding)


@accelerated(check_conv2d)
def conv2d(
    x: Array, weight: Array, bias: Array | None, stride: Pair = (1, 1), padding: Padding = (0, 0), groups: int = 1,
    dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """Slide F filters over each picture: Y = im2col(x)·W + bias.

    x: (N, H, W, C). weight: (KH, KW, C/groups, F). bias: (F,), or None for none. stride: (SH, SW), padding: (PH, PW)
    or ((top, bottom), (left, right)), dilation: (DH, DW), all in pixels. groups: how many convolutions side by side.
    Returns y (N, OH, OW, F) in x's dtype. Raises ShapeError when the shapes do not belong together, groups does not
    divide C and F, or no window fits; TypeError when dtypes differ. Source: document 004 §4.1.1.
    """
    if groups > 1:
        parts = [
            conv2d(x[..., c], weight[..., f], None if bias is None else bias[f], stride, padding, 1, dilation)
            for c, f in _slices_of_groups(x.shape[3], weight.shape[3], groups)
        ]
        return array_module(x).concatenate(parts, axis=3)
    n, h, w, _ = x.shape
    kh, kw, c, f = weight.shape
    oh, ow = output_size((h, w), spread((kh, kw), dilation), stride, padding)
    columns = im2col(x, (kh, kw), stride, padding, dilation)
    y = columns @ weight.reshape(kh * kw * c, f)
    if bias is not None:
        y = y + bias
    return y.reshape(n, oh, ow, f)


def _check_conv2d_backward(
    dy: Array, x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool = True, groups: int = 1,
    dilation: Pair = (1, 1),
) -> None:  # fmt: skip
    shapes = {"dy": dy.shape, "x": x.shape, "weight": weight.shape}
    require_shape(x.ndim == weight.ndim == 4, "conv2d_backward", **shapes)
    _require_groups("conv2d_backward", groups, shapes)
    outputs = output_size(x.shape[1:3], spread(weight.shape[:2], dilation), stride, padding)
    require_shape(dy.shape == (x.shape[0], *outputs, weight.shape[3]), "conv2d_backward", **shapes)
    require_one_dtype("conv2d_backward", dy=dy, x=x, weight=weight)


@accelerated(_check_conv2d_backward)
def conv2d_backward(
    dy: Array, x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool = True, groups: int = 1,
    dilation: Pair = (1, 1),
) -> tuple[Array | None, Array, Array]:  # fmt: skip
    """Turn the gradient at the output of `conv2d` into those at its inputs: dW = Xᵀ·dY, dX = col2im(dY·Wᵀ).

    dy: (N, OH, OW, F). x, weight, stride, padding, groups, dilation: as given to `conv2d`. input_gradient: False leaves
    dx out (None), for the first layer, whose input is the picture. Returns (dx like x, dweight like weight,
    dbias (F,)). Raises ShapeError when the shapes do not belong together, TypeError when dtypes differ.
    Source: document 004 §4.2, corrected.
    """
    xp = array_module(dy)
    if groups > 1:
        parts = [
            conv2d_backward(dy[..., f], x[..., c], weight[..., f], stride, padding, input_gradient, 1, dilation)
            for c, f in _slices_of_groups(x.shape[3], weight.shape[3], groups)
        ]
        dx_parts, dweight_parts, dbias_parts = zip(*parts, strict=True)
        dx = xp.concatenate(dx_parts, axis=3) if input_gradient else None
        return dx, xp.concatenate(dweight_parts, axis=3), xp.concatenate(dbias_parts)
    kh, kw, c, f = weight.shape
    columns = im2col(x, (kh, kw), stride, padding, dilation)
    dy_rows = dy.reshape(len(columns), f)
    dweight = _product_over_rows(columns, dy_rows).reshape(weight.shape)
    dbias = dy_rows.sum(axis=0, dtype="float64").astype(dy.dtype)
    if not input_gradient:
        return None, dweight, dbias
    dcolumns = dy_rows @ weight.reshape(kh * kw * c, f).T
    return col2im(dcolumns, x.shape, (kh, kw), stride, padding, dilation), dweight, dbias


def _product_over_rows(a: Array, b: Array) -> Array:
    """Return aᵀ·b in a's dtype. The sum over the rows, perhaps millions, is formed in float64, lest it lose digits."""
    total = array_module(a).zeros((a.shape[1], b.shape[1]), dtype="float64")
    for start in range(0, len(a), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        total += a[rows].T.astype("float64") @ b[rows].astype("float64")
    return total.astype(a.dtype)


def _slices_of_groups(channels: int, filters: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """Yield the channels that each group reads, and its filters."""
    c, f = channels // groups, filters // groups
    for group in range(groups):
        yield slice(group * c, (group + 1) * c), slice(group * f, (group + 1) * f)


def _require_groups(operation: str, groups: int, shapes: dict[str, Any]) -> None:
    """Raise ShapeError unless `groups` divides the channels and the filters, and each filter reads those of a group."""
    channels, (read, filters) = shapes["x"][3], shapes["weight"][2:]
    if channels % as_whole(groups, "groups") or filters % groups:
        raise ShapeError(f"{operation}: groups={groups} should divide both {channels} channels and {filters} filters")
    require_shape(read * groups == channels, operation, **shapes, **({"groups": groups} if groups > 1 else {}))
