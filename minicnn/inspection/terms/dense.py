"""The dense layer, and the gradient of every bias."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, product


def _dense(arguments: Named, results: Named, index: Index) -> Spelled:
    x, weight, bias = arguments["x"], arguments["weight"], arguments["bias"]
    n, u = index
    d = np.arange(x.shape[1])
    products = product(element("x", x, n, d), element("weight", weight, d, u))
    return Spelled((products,) if bias is None else (products, product(element("bias", bias, u))))


def _dense_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, weight = arguments["dy"], arguments["weight"]
    n, d = index
    u = np.arange(dy.shape[1])
    return Spelled((product(element("dy", dy, n, u), element("weight", weight, d, u)),))


def _dense_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, x = arguments["dy"], arguments["x"]
    d, u = index
    n = np.arange(dy.shape[0])
    return Spelled((product(element("x", x, n, d), element("dy", dy, n, u)),))


def sum_of_dy(arguments: Named, results: Named, index: Index) -> Spelled:
    """Spell out a bias' gradient: dy, added up over all axes but the last."""
    dy = arguments["dy"]
    others = np.indices(dy.shape[:-1]).reshape(dy.ndim - 1, -1)
    return Spelled((product(element("dy", dy, *others, index[0])),))


TERMS: dict[tuple[str, str], Speller] = {
    ("dense", "y"): _dense,
    ("dense_backward", "dx"): _dense_dx,
    ("dense_backward", "dweight"): _dense_dweight,
    ("dense_backward", "dbias"): sum_of_dy,
}
