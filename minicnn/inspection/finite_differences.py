"""Numeric derivatives of a function that may have kinks: differences that know when they are not to be trusted.

Along one coordinate, with a step h, the slopes seen to the right and to the left are

    right(h) = (f(h) − f(0)) / h  = f′ + h/2·f″ + O(h²)        left(h) = (f(0) − f(−h)) / h  = f′ − h/2·f″ + O(h²)

They give three estimates of f′, each wrong by O(h²) only, where f is smooth:

    central = (right(h/2) + left(h/2)) / 2      from the right = 2·right(h/2) − right(h)      from the left, likewise

A kink within reach (a ReLU that passes 0, a max-pool whose maximum moves) spoils the side it lies on and spares the
other, which pulls the three apart by at least as much as it spoils the central one. So where they agree the central
estimate is right. Where they do not, a smaller step leaves most kinks out of reach; a coordinate on which they never
agree sits on a kink, and has no derivative to compare with.

Nor do the estimates mean anything where f is so flat that its rounding error, ε·|f| / h, hides the slope: they may
even agree, all being the same few last bits of f. There a larger step helps.

The analytic gradient has no say in this: no element is excused for being wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minicnn.backend import Array

Index = tuple[int, ...]

STEPS = (1e-4, 1e-3, 1e-5, 1e-6)  # the one that suits most, a larger one for flat places, smaller ones for kinks
EPSILON = float(np.finfo(np.float64).eps)
FLOOR = 1e-2  # an element below this share of its array's largest is measured against that share


def yardstick(values: np.ndarray, largest: float) -> np.ndarray:
    """Return what an error is divided by to be relative: max(|value|, FLOOR · largest), element by element."""
    return np.maximum(np.abs(values), FLOOR * largest)


def numeric_gradient(
    function: Callable[[], Array], projection: Array, array: Array, indices: Sequence[Index], accuracy: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differentiate L = Σ function() ⊙ projection with respect to some elements of `array`.

    function: reads `array`, float64, which is changed in place and brought back, and returns an array. projection: of
    that array's shape. indices: K elements of `array`. accuracy: how closely, relatively, the three estimates must
    agree. Returns (derivatives (K,), doubt (K,), known (K,)). doubt: how far apart the estimates are, or their rounding
    error if that is larger; ∞ where the function is undefined. known: False on a kink and where rounding hides the
    slope; there the derivative is the least doubtful one.
    """
    start = function().copy()  # a layer such as Flatten returns a view of the array that is about to change
    derivatives, doubt = np.zeros(len(indices)), np.full(len(indices), np.inf)
    unknown = np.arange(len(indices))
    for step in STEPS:
        for k in map(int, unknown):
            estimates, rounding = _three_estimates(function, start, projection, array, indices[k], step)
            new_doubt = max(max(estimates) - min(estimates), rounding)
            if new_doubt < doubt[k]:  # NaN, where the function is undefined, is not
                derivatives[k], doubt[k] = estimates[0], new_doubt
        largest = np.abs(derivatives).max(where=doubt <= np.abs(derivatives), initial=0.0)  # not the slope of a jump
        known = doubt <= accuracy * yardstick(derivatives, largest)
        unknown = np.flatnonzero(~known)
        if unknown.size == 0:
            break
    return derivatives, doubt, known


def _three_estimates(
    function: Callable[[], Array], start: Array, projection: Array, array: Array, index: Index, step: float
) -> tuple[tuple[float, float, float], float]:
    """Return the derivative at array[index] as seen from both sides, right and left, and its rounding error."""
    original = float(array[index])
    reached = 0.0  # how large the outputs are that this element changes

    def slope(offset: float) -> float:
        nonlocal reached
        array[index] = original + offset
        # Subtract first, then sum: outputs that this element does not reach cancel exactly, and add no rounding error.
        change = function() - start
        reached = max(reached, float(abs(start * projection * (change != 0)).sum()))
        return float((change * projection).sum()) / (float(array[index]) - original)

    h = step * max(1.0, abs(original))
    right, near_right, near_left, left = slope(h), slope(h / 2), slope(-h / 2), slope(-h)
    array[index] = original
    estimates = (near_right + near_left) / 2, 2 * near_right - right, 2 * near_left - left
    return estimates, EPSILON * reached / h
