"""Max and average pooling."""

from __future__ import annotations

from math import prod

import numpy as np

from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, number, product
from minicnn.inspection.terms.sliding import inside as are_inside
from minicnn.inspection.terms.sliding import padding_note, window_of


def _max_pool2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, size = arguments["x"], arguments["size"]
    n, i, j, c = index
    window = window_of(arguments, size)
    ky, kx = window.elements()
    rows, columns = window.pixels(i, j, ky, kx)
    inside = are_inside(rows, columns, x.shape)
    rows, columns = rows[inside], columns[inside]
    values = x[n, rows, columns, c]
    place = int(np.argmax(values))  # of equal ones the first; NaN before any number
    listed = ", ".join(f"{value:.6g}" for value in values[:25]) + (", …" if len(values) > 25 else "")
    note = f"the largest of the window's {len(values)}: {listed}"
    return Spelled((product(element("x", x, n, rows[place], columns[place], c)),), note)


def _max_pool2d_argmax(arguments: Named, results: Named, index: Index) -> Spelled:
    size = arguments["size"]
    ky, kx = divmod(int(results["argmax"][index]), size[1])
    note = f"element (ky, kx) = ({ky}, {kx}) of the {size[0]}×{size[1]} window is the largest: ky·{size[1]} + kx"
    return Spelled((product(number("ky", ky), number("KW", size[1])), product(number("kx", kx))), note)


def _max_pool2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, argmax, size = arguments["dy"], arguments["argmax"], arguments["size"]
    n, y, x, c = index
    i, j, ky, kx = window_of(arguments, size).windows_on(y, x, dy.shape[1:3])
    wins = argmax[n, i, j, c] == ky * size[1] + kx
    note = f"of {len(i)} windows on this pixel, it is the largest in {int(wins.sum())}"
    return Spelled((product(element("dy", dy, n, i[wins], j[wins], c)),), note)


def _avg_pool2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, size = arguments["x"], arguments["size"]
    n, i, j, c = index
    window = window_of(arguments, size)
    rows, columns = window.pixels(i, j, *window.elements())
    inside = are_inside(rows, columns, x.shape)
    share = number("1/(KH·KW)", 1 / prod(size))
    return Spelled((product(element("x", x, n, rows[inside], columns[inside], c), share),), padding_note(inside))


def _avg_pool2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, size = arguments["dy"], arguments["size"]
    n, y, x, c = index
    i, j, _, _ = window_of(arguments, size).windows_on(y, x, dy.shape[1:3])
    return Spelled((product(element("dy", dy, n, i, j, c), number("1/(KH·KW)", 1 / prod(size))),))


def _global_avg_pool2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x = arguments["x"]
    n, c = index
    rows, columns = np.indices(x.shape[1:3]).reshape(2, -1)
    return Spelled((product(element("x", x, n, rows, columns, c), number("1/(H·W)", 1 / len(rows))),))


def _global_avg_pool2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    _, h, w, _ = arguments["x_shape"]
    n, _, _, c = index
    return Spelled((product(element("dy", arguments["dy"], n, c), number("1/(H·W)", 1 / (h * w))),))


TERMS: dict[tuple[str, str], Speller] = {
    ("max_pool2d", "y"): _max_pool2d,
    ("max_pool2d", "argmax"): _max_pool2d_argmax,
    ("max_pool2d_backward", "dx"): _max_pool2d_dx,
    ("avg_pool2d", "y"): _avg_pool2d,
    ("avg_pool2d_backward", "dx"): _avg_pool2d_dx,
    ("global_avg_pool2d", "y"): _global_avg_pool2d,
    ("global_avg_pool2d_backward", "dx"): _global_avg_pool2d_dx,
}
