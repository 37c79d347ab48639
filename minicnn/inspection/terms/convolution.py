"""Convolutions, and the matrices of im2col and col2im."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.terms.dense import sum_of_dy
from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, product
from minicnn.inspection.terms.sliding import inside as are_inside
from minicnn.inspection.terms.sliding import outputs_of, padding_note, window_of


def _conv2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, weight, bias = arguments["x"], arguments["weight"], arguments["bias"]
    kh, kw, channels, filters = weight.shape
    n, i, j, f = index
    first = f // (filters // arguments.get("groups", 1)) * channels  # the channel that the filter's group begins with
    ky, kx, c = np.indices((kh, kw, channels)).reshape(3, -1)
    rows, columns = window_of(arguments, (kh, kw)).pixels(i, j, ky, kx)
    inside = are_inside(rows, columns, x.shape)
    ky, kx, c, rows, columns = (axis[inside] for axis in (ky, kx, c, rows, columns))
    products = product(element("x", x, n, rows, columns, first + c), element("weight", weight, ky, kx, c, f))
    parts = (products,) if bias is None else (products, product(element("bias", bias, f)))
    return Spelled(parts, padding_note(inside, "the filter's products"))


def _conv2d_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, x, weight = arguments["dy"], arguments["x"], arguments["weight"]
    ky, kx, c, f = index
    first = f // (weight.shape[3] // arguments.get("groups", 1)) * weight.shape[2]
    n, i, j = np.indices(dy.shape[:3]).reshape(3, -1)
    rows, columns = window_of(arguments, weight.shape[:2]).pixels(i, j, ky, kx)
    inside = are_inside(rows, columns, x.shape)
    n, i, j, rows, columns = (axis[inside] for axis in (n, i, j, rows, columns))
    products = product(element("x", x, n, rows, columns, first + c), element("dy", dy, n, i, j, f))
    return Spelled((products,), padding_note(inside, "the filter's places"))


def _conv2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, weight, groups = arguments["dy"], arguments["weight"], arguments.get("groups", 1)
    n, y, x, c = index
    channels, filters = weight.shape[2], weight.shape[3] // groups
    group, channel = divmod(c, channels)
    i, j, ky, kx = window_of(arguments, weight.shape[:2]).windows_on(y, x, dy.shape[1:3])
    place, f = np.indices((len(i), filters)).reshape(2, -1)
    f = f + group * filters
    return Spelled(
        (
            product(
                element("dy", dy, n, i[place], j[place], f), element("weight", weight, ky[place], kx[place], channel, f)
            ),
        ),
        f"{len(i)} of the filter's places lie on this pixel",
    )


def _dcolumns(arguments: Named, results: Named, index: Index) -> Spelled:
    """Spell out a number of the matrix that conv2d_backward hands to col2im: dY·Wᵀ."""
    dy, weight = arguments["dy"], arguments["weight"]
    n, i, j = np.unravel_index(index[0], dy.shape[:3])
    ky, kx, c = np.unravel_index(index[1], weight.shape[:3])
    f = np.arange(weight.shape[3])
    return Spelled((product(element("dy", dy, n, i, j, f), element("weight", weight, ky, kx, c, f)),))


def _im2col(arguments: Named, results: Named, index: Index) -> Spelled:
    x, kernel = arguments["x"], arguments["kernel"]
    n, i, j = np.unravel_index(index[0], (x.shape[0], *outputs_of(arguments, x.shape, kernel)))
    ky, kx, c = np.unravel_index(index[1], (*kernel, x.shape[3]))
    rows, columns = window_of(arguments, kernel).pixels(i, j, ky, kx)
    if not are_inside(rows, columns, x.shape):
        return Spelled((), "the element lies in the padding, and is 0")
    return Spelled((product(element("x", x, n, rows, columns, c)),), f"window ({i}, {j}) of picture {n}, copied")


def _col2im(arguments: Named, results: Named, index: Index) -> Spelled:
    columns, x_shape, kernel = arguments["columns"], arguments["x_shape"], arguments["kernel"]
    n, y, x, c = index
    oh, ow = outputs_of(arguments, x_shape, kernel)
    i, j, ky, kx = window_of(arguments, kernel).windows_on(y, x, (oh, ow))
    rows, places = (n * oh + i) * ow + j, (ky * kernel[1] + kx) * x_shape[3] + c
    return Spelled((product(element("columns", columns, rows, places)),), f"{len(i)} windows lie on this pixel")


TERMS: dict[tuple[str, str], Speller] = {
    ("conv2d", "y"): _conv2d,
    ("conv2d_backward", "dweight"): _conv2d_dweight,
    ("conv2d_backward", "dbias"): sum_of_dy,
    ("conv2d_backward", "dx"): _conv2d_dx,
    ("conv2d_backward", "dcolumns"): _dcolumns,
    ("im2col", "columns"): _im2col,
    ("col2im", "dx"): _col2im,
}
