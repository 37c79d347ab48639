"""Max and average pooling: each window of the picture, or all of it, becomes one number a channel.

Shapes: x (N, H, W, C); window (KH, KW); y and argmax (N, OH, OW, C). The window of output (i, j) starts at
(i·SH − top, j·SW − left) and is read row by row: element (ky, kx) has the index ky·KW + kx.

Source: document 004 §4.1.3, corrected: the printed formula has no stride and calls the window "centred".
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import ShapeError
from minicnn.ops.windows import Padding, Pair, as_pair, output_size, pad_amounts, pad_image, require_shape, window_slice


def argmax_dtype(size: Pair) -> str:
    """Return the smallest dtype that holds an index into the window: a byte for all usual windows."""
    return "uint8" if size[0] * size[1] <= 256 else "int32"


def require_pooling_padding(size: Pair, padding: Padding) -> None:
    """Raise ShapeError when a window could lie in the padding alone, where there is no largest pixel."""
    size = as_pair(size, "window")
    (top, bottom), (left, right) = pad_amounts(padding)
    if max(top, bottom) >= size[0] or max(left, right) >= size[1]:
        raise ShapeError(
            f"pooling: padding {padding} should be smaller than the {size[0]}×{size[1]} window on every side: "
            "a window must cover at least one pixel of the picture"
        )


def _outputs(operation: str, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding) -> tuple[int, ...]:
    """Return the shape of what `operation` makes of a picture batch of `x_shape`; raise ShapeError for another one."""
    require_shape(len(x_shape) == 4, operation, x=tuple(x_shape))
    require_pooling_padding(size, padding)
    n, h, w, c = x_shape
    return (n, *output_size((h, w), size, stride, padding), c)


def _check_max_pool2d(x: Array, size: Pair, stride: Pair, padding: Padding, indices: bool = True) -> None:
    _outputs("max_pool2d", x.shape, size, stride, padding)
    if x.dtype.kind != "f" and pad_amounts(padding) != ((0, 0), (0, 0)):
        raise TypeError(
            f"max_pool2d: padding counts as −∞, which {x.dtype} cannot hold: convert x with x.astype('float32')"
        )


def _check_max_pool2d_backward(
    dy: Array, argmax: Array, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> None:
    outputs = _outputs("max_pool2d_backward", x_shape, size, stride, padding)
    fits = dy.shape == argmax.shape == outputs
    require_shape(fits, "max_pool2d_backward", dy=dy.shape, argmax=argmax.shape, x_shape=x_shape)


def _check_avg_pool2d(x: Array, size: Pair, stride: Pair, padding: Padding) -> None:
    _outputs("avg_pool2d", x.shape, size, stride, padding)


def _check_avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding) -> None:
    outputs = _outputs("avg_pool2d_backward", x_shape, size, stride, padding)
    require_shape(dy.shape == outputs, "avg_pool2d_backward", dy=dy.shape, x_shape=x_shape)


def _check_global_avg_pool2d(x: Array) -> None:
    require_shape(x.ndim == 4 and x.shape[1] * x.shape[2] > 0, "global_avg_pool2d", x=x.shape)


def _check_global_avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...]) -> None:
    fits = len(x_shape) == 4 and x_shape[1] * x_shape[2] > 0 and dy.shape == (x_shape[0], x_shape[3])
    require_shape(fits, "global_avg_pool2d_backward", dy=dy.shape, x_shape=x_shape)


@accelerated(_check_max_pool2d)
def max_pool2d(
    x: Array, size: Pair, stride: Pair, padding: Padding, indices: bool = True
) -> tuple[Array, Array | None]:
    """Keep the largest value of each window, and where it was.

        y[n, i, j, c] = max over (ky, kx) of x[n, i·SH + ky − top, j·SW + kx − left, c]        (−∞ in the padding)

    x: (N, H, W, C). size: (KH, KW), stride, padding in pixels. indices: False leaves argmax out (None). Returns y
    (N, OH, OW, C) in x's dtype and argmax, of the same shape, the index ky·KW + kx of the largest element: of equal
    ones the first, and NaN before any number. Raises ShapeError when x has not four axes, no window fits, or one may
    lie in the padding alone; TypeError for padded integers, which have no −∞. Source: document 004 §4.1.3.
    """
    xp = array_module(x)
    outputs = output_size((x.shape[1], x.shape[2]), size, stride, padding)
    padded = pad_image(x, padding, value=float("-inf"))
    rows, cols = window_slice((0, 0), outputs, stride)
    y = padded[:, rows, cols, :].copy()
    argmax = xp.zeros(y.shape, dtype=argmax_dtype(size))
    for ky in range(size[0]):
        for kx in range(size[1]):
            rows, cols = window_slice((ky, kx), outputs, stride)
            candidate = padded[:, rows, cols, :]
            larger = (candidate > y) | (xp.isnan(candidate) & ~xp.isnan(y))
            y = xp.where(larger, candidate, y)
            argmax[larger] = ky * size[1] + kx
    return y, argmax if indices else None


@accelerated(_check_max_pool2d_backward)
def max_pool2d_backward(
    dy: Array, argmax: Array, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Give each output's gradient to the element that was its maximum, and to no other.

        dx[n, y, x', c] = Σ dy[n, i, j, c]   over the windows (i, j) whose arg max is the pixel (y, x')

    dy, argmax: (N, OH, OW, C). x_shape: (N, H, W, C). Returns dx of that shape in dy's dtype.
    Raises ShapeError when dy does not belong to such an x. Source: document 004 §4.2, corrected (it printed poolᵀ·dy).
    """
    xp = array_module(dy)
    n, h, w, c = x_shape
    (top, bottom), (left, right) = pad_amounts(padding)
    outputs = output_size((h, w), size, stride, padding)
    padded = xp.zeros((n, top + h + bottom, left + w + right, c), dtype=dy.dtype)
    for ky in range(size[0]):
        for kx in range(size[1]):
            rows, cols = window_slice((ky, kx), outputs, stride)
            # A choice, not a product with 0 and 1: infinity times 0 would be NaN.
            padded[:, rows, cols, :] += xp.where(argmax == ky * size[1] + kx, dy, 0)
    return padded[:, top : top + h, left : left + w, :]


@accelerated(_check_avg_pool2d)
def avg_pool2d(x: Array, size: Pair, stride: Pair, padding: Padding) -> Array:
    """Average each window; the padding counts as zeros.

        y[n, i, j, c] = 1/(KH·KW) · Σ_ky Σ_kx x[n, i·SH + ky − top, j·SW + kx − left, c]

    x: (N, H, W, C). size: (KH, KW), stride, padding in pixels. Returns y (N, OH, OW, C) in x's dtype.
    Raises ShapeError when x has not four axes, no window fits, or one may lie in the padding alone.
    """
    outputs = output_size((x.shape[1], x.shape[2]), size, stride, padding)
    padded = pad_image(x, padding)
    total = array_module(x).zeros((x.shape[0], *outputs, x.shape[3]), dtype=x.dtype)
    for ky in range(size[0]):
        for kx in range(size[1]):
            rows, cols = window_slice((ky, kx), outputs, stride)
            total += padded[:, rows, cols, :]
    return total / (size[0] * size[1])


@accelerated(_check_avg_pool2d_backward)
def avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding) -> Array:
    """Spread each output's gradient evenly over its window.

        dx[n, y, x', c] = 1/(KH·KW) · Σ dy[n, i, j, c]   over the windows (i, j) that the pixel (y, x') lies in

    dy: (N, OH, OW, C). x_shape: (N, H, W, C). Returns dx of that shape in dy's dtype.
    Raises ShapeError when dy does not belong to such an x.
    """
    n, h, w, c = x_shape
    (top, bottom), (left, right) = pad_amounts(padding)
    outputs = output_size((h, w), size, stride, padding)
    share = dy / (size[0] * size[1])
    padded = array_module(dy).zeros((n, top + h + bottom, left + w + right, c), dtype=dy.dtype)
    for ky in range(size[0]):
        for kx in range(size[1]):
            rows, cols = window_slice((ky, kx), outputs, stride)
            padded[:, rows, cols, :] += share
    return padded[:, top : top + h, left : left + w, :]


@accelerated(_check_global_avg_pool2d)
def global_avg_pool2d(x: Array) -> Array:
    """Average each channel over the whole picture: y[n, c] = 1/(H·W) · Σ_h Σ_w x[n, h, w, c].

    x: (N, H, W, C), floats. Returns y (N, C) in x's dtype, added up in float64. Raises ShapeError when x has not four
    axes, or no pixel. Source: Lin, Chen & Yan 2014, "Network in network", §3.2.
    """
    return x.mean(axis=(1, 2), dtype="float64").astype(x.dtype)


@accelerated(_check_global_avg_pool2d_backward)
def global_avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...]) -> Array:
    """Spread each channel's gradient evenly over the picture: dx[n, h, w, c] = dy[n, c] / (H·W).

    dy: (N, C). x_shape: (N, H, W, C). Returns dx of that shape in dy's dtype.
    Raises ShapeError when dy does not belong to such an x.
    """
    n, h, w, c = x_shape
    share = dy.reshape(n, 1, 1, c) / (h * w)
    return array_module(dy).broadcast_to(share, x_shape).copy()
