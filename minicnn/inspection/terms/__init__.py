"""One number of an operation's result, spelled out as the terms that it is the sum of.

Each function in these files, which are named as in `minicnn.ops`, takes the arguments and the results of one call of an
operation (NumPy arrays and settings, by name) and the place of a number in one of its results, and returns what that
number is made of: `Products`, each a product of factors, whose sum it is. Most numbers of a network are sums of
products; the few that are not (a maximum, a function value) are one term, and a note says how it came about. Elements
that lie in the padding are 0 and left out.

`RESULTS` says what an operation's results are called; each file's `TERMS`, which function spells out which of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn.inspection.terms import (
    convolution,
    dense,
    dropout,
    images,
    normalization,
    pooling,
    quantization,
    residual,
    softmax,
)
from minicnn.inspection.terms.parts import Index, Named, Products, Spelled, Speller, element, number, product

__all__ = ["RESULTS", "TERMS", "Index", "Products", "Spelled", "result_names", "spell"]

_GRADIENTS = ("dx", "dweight", "dbias")
_STATISTICS = ("y", "mean", "variance")
RESULTS: dict[str, tuple[str, ...]] = {
    "im2col": ("columns",),
    "col2im": ("dx",),
    "max_pool2d": ("y", "argmax"),
    "conv_block": ("y", "argmax"),
    "dropout": ("y", "keep"),
    "batch_norm": _STATISTICS,
    "layer_norm": _STATISTICS,
    "norm_block": _STATISTICS,
    "norm_block_backward": (*_GRADIENTS, "dresidual"),
    "quantize_weight": ("q", "scale"),
    "softmax": ("probabilities",),
    "softmax_cross_entropy": ("loss", "probabilities"),
    "softmax_cross_entropy_backward": ("dlogits",),
    "soft_target_cross_entropy": ("loss", "probabilities"),
    "soft_target_cross_entropy_backward": ("dlogits",),
}


def result_names(operation: str, count: int) -> tuple[str, ...]:
    """Return what the `count` results of the operation of that name are called.

    As in RESULTS, or else y forward, and dx, dweight, dbias backward.
    """
    names = RESULTS.get(operation, _GRADIENTS if operation.endswith("_backward") else ("y",))
    return (*names, *(f"result{place}" for place in range(len(names) + 1, count + 1)))[:count]


TERMS: dict[tuple[str, str], Speller] = {
    **convolution.TERMS,
    **pooling.TERMS,
    **quantization.TERMS,
    **dense.TERMS,
    **dropout.TERMS,
    **normalization.TERMS,
    **residual.TERMS,
    **softmax.TERMS,
    **images.TERMS,
}


def spell(operation: Any, arguments: Named, results: Named, name: str, index: Index) -> Spelled | None:
    """Return what the number at `index` of the result `name` of a call is made of, or None where nobody knows.

    An operation that TERMS does not list, and that turns each number into another, is tried on that number alone.
    """
    speller = TERMS.get((operation.__name__, name))
    if speller is not None:
        return speller(arguments, results, index)
    return _element_by_element(operation, arguments, results[name], index) if list(results) == [name] else None


def _element_by_element(operation: Any, arguments: Named, result: np.ndarray, index: Index) -> Spelled | None:
    """Return y as the function of one x, or dx as dy times the slope there, if the operation does no more than that."""
    arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}
    if any(array.shape != result.shape for array in arrays.values()):
        return None
    alone = {name: array[index].reshape(1) for name, array in arrays.items()}
    try:
        value = float(operation.reference(**{**arguments, **alone})[0])
    except (IndexError, TypeError, ValueError):  # it needs a number's neighbours, or to know where it is
        return None
    if not np.isclose(value, result[index], rtol=1e-5, atol=0, equal_nan=True):
        return None
    given = ", ".join(f"{name}[{', '.join(map(str, index))}] = {float(a[0]):.6g}" for name, a in alone.items())
    if "dy" not in alone:
        return Spelled((product(number(f"{operation.__name__}({', '.join(alone)})", value)),), given)
    ones = {**alone, "dy": np.ones_like(alone["dy"])}
    slope = float(operation.reference(**{**arguments, **ones})[0])
    return Spelled((product(element("dy", arrays["dy"], *index), number("slope", slope)),), given)
