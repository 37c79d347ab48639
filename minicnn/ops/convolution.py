"""Convolution (cross-correlation, as the documents write it) as one matrix product over im2col.

Shapes: x (N, H, W, C); weight (KH, KW, C, F); bias (F,); y (N, OH, OW, F).

    y[n, i, j, f] = Σ_ky Σ_kx Σ_c  x[n, i·SH + ky − top, j·SW + kx − left, c] · weight[ky, kx, c, f]  +  bias[f]

With X = im2col(x), W = weight as (KH·KW·C, F) and dY as (N·OH·OW, F):

    Y = X·W + bias        dW = Xᵀ·dY        dbias = Σ_rows dY        dX = dY·Wᵀ, brought back by col2im

The last is the full correlation of dY with the flipped kernel. Source: document 004 §4.1.1 and §4.2, corrected: the
printed formula lacks the filter's output index, and its gradients lack the transposes and the flip.
"""

from __future__ import annotations

from minicnn.backend import Array
from minicnn.dispatch import accelerated
from minicnn.ops.columns import col2im, im2col
from minicnn.ops.windows import Padding, Pair, output_size, require_one_dtype, require_shape


@accelerated()
def conv2d(x: Array, weight: Array, bias: Array, stride: Pair = (1, 1), padding: Padding = (0, 0)) -> Array:
    """Slide F filters over each picture: Y = im2col(x)·W + bias.

    x: (N, H, W, C). weight: (KH, KW, C, F). bias: (F,). stride: (SH, SW) and padding: (PH, PW) or ((top, bottom),
    (left, right)) in pixels. Returns y (N, OH, OW, F) in x's dtype. Raises ShapeError when the shapes do not
    belong together or no window fits, TypeError when dtypes differ. Source: document 004 §4.1.1.
    """
    require_shape(
        x.ndim == weight.ndim == 4 and x.shape[3] == weight.shape[2] and bias.shape == weight.shape[3:],
        "conv2d", x=x.shape, weight=weight.shape, bias=bias.shape,
    )  # fmt: skip
    require_one_dtype("conv2d", x=x, weight=weight, bias=bias)
    n, h, w, _ = x.shape
    kh, kw, c, f = weight.shape
    oh, ow = output_size((h, w), (kh, kw), stride, padding)
    columns = im2col(x, (kh, kw), stride, padding)
    y = columns @ weight.reshape(kh * kw * c, f) + bias
    return y.reshape(n, oh, ow, f)


@accelerated()
def conv2d_backward(
    dy: Array, x: Array, weight: Array, stride: Pair, padding: Padding, input_gradient: bool = True
) -> tuple[Array | None, Array, Array]:
    """Turn the gradient at the output of `conv2d` into those at its inputs: dW = Xᵀ·dY, dX = col2im(dY·Wᵀ).

    dy: (N, OH, OW, F). x, weight, stride, padding: as given to `conv2d`. input_gradient: False leaves dx out (None),
    for the first layer, whose input is the picture. Returns (dx like x, dweight like weight, dbias (F,)).
    Raises ShapeError when the shapes do not belong together, TypeError when dtypes differ.
    Source: document 004 §4.2, corrected.
    """
    require_shape(x.ndim == weight.ndim == 4, "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape)
    n, h, w, c = x.shape
    kh, kw, _, f = weight.shape
    oh, ow = output_size((h, w), (kh, kw), stride, padding)
    require_shape(
        dy.shape == (n, oh, ow, f) and weight.shape[2] == c,
        "conv2d_backward", dy=dy.shape, x=x.shape, weight=weight.shape,
    )  # fmt: skip
    require_one_dtype("conv2d_backward", dy=dy, x=x, weight=weight)
    dy_rows = dy.reshape(n * oh * ow, f)
    columns = im2col(x, (kh, kw), stride, padding)
    dweight = (columns.T @ dy_rows).reshape(weight.shape)
    dbias = dy_rows.sum(axis=0)
    if not input_gradient:
        return None, dweight, dbias
    dcolumns = dy_rows @ weight.reshape(kh * kw * c, f).T
    return col2im(dcolumns, x.shape, (kh, kw), stride, padding), dweight, dbias
