"""Bytes for numbers, and convolutions and dense layers with them."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.terms.parts import Factor, Index, Named, Products, Spelled, Speller, element, number, product
from minicnn.inspection.terms.pooling import TERMS as POOLING
from minicnn.inspection.terms.sliding import inside as are_inside
from minicnn.inspection.terms.sliding import padding_note, window_of

ROUNDING = "what rounding and cutting off change"


def _quantized_conv2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, weight = arguments["x"], arguments["weight"]
    kh, kw, channels, filters = weight.shape
    n, i, j, f = index
    first = f // (filters // arguments.get("groups", 1)) * channels
    ky, kx, c = np.indices((kh, kw, channels)).reshape(3, -1)
    rows, columns = window_of(arguments, (kh, kw)).pixels(i, j, ky, kx)
    inside = are_inside(rows, columns, x.shape)
    ky, kx, c, rows, columns = (axis[inside] for axis in (ky, kx, c, rows, columns))
    pixels = element("x", x, n, rows, columns, first + c)
    parts = _scaled(arguments, results, index, pixels, element("weight", weight, ky, kx, c, f))
    return Spelled(parts, padding_note(inside, "the filter's products"))


def _quantized_dense(arguments: Named, results: Named, index: Index) -> Spelled:
    n, u = index
    d = np.arange(arguments["x"].shape[1])
    inputs, weights = element("x", arguments["x"], n, d), element("weight", arguments["weight"], d, u)
    return Spelled(_scaled(arguments, results, index, inputs, weights))


def _scaled(arguments: Named, results: Named, index: Index, x: Factor, weight: Factor) -> tuple[Products, ...]:
    """Return the terms of a sum of products that is scaled, and rounded to a byte if there is a zero for it."""
    zero, y_zero, f = arguments["x_zero"], arguments["y_zero"], index[-1]
    scale = element("scale", arguments["scale"], f)
    centred = Factor(x.values - zero, lambda place: f"({x.label(place)} − {zero})")
    parts = product(centred, weight, scale), product(element("bias", arguments["bias"], f), scale)
    if y_zero is None:
        return parts
    return _rounded((*parts, product(number("y_zero", y_zero))), results["y"][index])


def _rounded(parts: tuple[Products, ...], result: float) -> tuple[Products, ...]:
    """Return the terms with one more, that makes of their sum the result."""
    total = sum(float(part.values.sum()) for part in parts)
    return (*parts, product(number(ROUNDING, float(result) - total)))


def _quantize_weight(arguments: Named, results: Named, index: Index) -> Spelled:
    share = number(f"1/scale[{index[-1]}]", 1 / float(results["scale"][index[-1]]))
    weight = element("weight", arguments["weight"], *index)
    return Spelled(_rounded((product(weight, share),), results["q"][index]))


def _weight_scale(arguments: Named, results: Named, index: Index) -> Spelled:
    weight = arguments["weight"]
    of_filter = np.abs(weight[..., index[0]])
    place = np.unravel_index(int(of_filter.argmax()), of_filter.shape)
    if not of_filter[place]:
        return Spelled((product(number("1", 1.0)),), "all of the filter's weights are 0")
    largest = (*place, index[0])
    sign = float(np.sign(weight[largest]))
    return Spelled(
        (product(element("weight", weight, *largest), number(f"{sign:g}/127", sign / 127)),),
        "the largest of the filter's weights becomes 127",
    )


TERMS: dict[tuple[str, str], Speller] = {
    ("quantize_weight", "q"): _quantize_weight,
    ("quantize_weight", "scale"): _weight_scale,
    ("quantized_conv2d", "y"): _quantized_conv2d,
    ("quantized_dense", "y"): _quantized_dense,
    ("quantized_max_pool2d", "y"): POOLING[("max_pool2d", "y")],
}
