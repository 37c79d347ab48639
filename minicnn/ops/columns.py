"""im2col and col2im: a convolution's windows laid out as the rows of a matrix, and the way back.

Shapes: x (N, H, W, C); kernel (KH, KW); OH × OW windows a picture; columns (N·OH·OW, KH·KW·C).
Row (n, i, j) of the matrix is the window at (i·SH, j·SW) of picture n, read row by row; its elements lie DH and DW
pixels apart (dilation, usually 1):

    columns[(n, i, j), (ky, kx, c)] = x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c]        (0 outside the picture)

Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for Document Processing", §2.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, pad_image, require_shape, spread, window_slice


def _check_im2col(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> None:
    require_shape(x.ndim == 4, "im2col", x=x.shape)
    output_size(x.shape[1:3], spread(kernel, dilation), stride, padding)


@accelerated(_check_im2col)
def im2col(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Array:
    """Copy every window of x into a row of a matrix.

    x: (N, H, W, C). kernel: (KH, KW), stride: (SH, SW), padding: (PH, PW) or ((top, bottom), (left, right)),
    dilation: (DH, DW), all in pixels. Returns (N·OH·OW, KH·KW·C) in x's dtype. Raises ShapeError when x has not four
    axes or no window fits.
    """
    n, h, w, c = x.shape
    kh, kw = kernel
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    padded = pad_image(x, padding)
    columns = array_module(x).empty((n, oh, ow, kh, kw, c), dtype=x.dtype)
    for ky in range(kh):
        for kx in range(kw):
            rows, cols = window_slice((ky, kx), (oh, ow), stride, dilation)
            columns[:, :, :, ky, kx, :] = padded[:, rows, cols, :]
    return columns.reshape(n * oh * ow, kh * kw * c)


def _check_col2im(
    columns: Array, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> None:
    require_shape(len(x_shape) == 4, "col2im", x_shape=x_shape)
    n, h, w, c = x_shape
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    fits = columns.shape == (n * oh * ow, kernel[0] * kernel[1] * c)
    require_shape(fits, "col2im", columns=columns.shape, x_shape=x_shape)


@accelerated(_check_col2im)
def col2im(
    columns: Array, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> Array:
    """Add every row of the matrix back to the pixels it was copied from: the transpose of `im2col`.

        x[n, y, x', c] = Σ columns[(n, i, j), (ky, kx, c)]   over all windows and offsets that fall on pixel (y, x')

    columns: (N·OH·OW, KH·KW·C). x_shape: (N, H, W, C). Returns x of that shape in columns' dtype; a pixel that lies
    in several windows receives their sum. Raises ShapeError when the matrix does not belong to such an x.
    """
    xp = array_module(columns)
    n, h, w, c = x_shape
    kh, kw = kernel
    (top, bottom), (left, right) = pad_amounts(padding)
    oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
    windows = columns.reshape(n, oh, ow, kh, kw, c)
    padded = xp.zeros((n, top + h + bottom, left + w + right, c), dtype=columns.dtype)
    for ky in range(kh):
        for kx in range(kw):
            rows, cols = window_slice((ky, kx), (oh, ow), stride, dilation)
            padded[:, rows, cols, :] += windows[:, :, :, ky, kx, :]  # += : windows overlap
    return padded[:, top : top + h, left : left + w, :]
