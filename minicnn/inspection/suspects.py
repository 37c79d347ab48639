"""Find the element of a large gradient that is most likely wrong, without looking at each.

A derivative along a random direction v involves every element at once: it should be Σ gradient ⊙ v. Where it is not,
the same is asked of one half of the elements and of the other, and the search goes on in the half that is further
off, until one element is left. That costs 4·log₂(size) forward passes, and finds a mistake at a single pixel among
100,000. A kink may lead the search astray, so its result is no verdict: it is one more element to be checked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn.backend import Array, device_of, to_device
from minicnn.inspection.finite_differences import Index

STEP = 1e-6  # small, since moving all elements at once meets many more kinks than moving one
NOTICEABLE = 1e-6  # of the gradient's length; rounding errors stay below it


def find_suspect(
    function: Callable[[], Array], projection: Array, array: Array, gradient: np.ndarray, rng: np.random.Generator
) -> Index | None:
    """Return the index at which `gradient` is most likely not that of Σ function() ⊙ projection, or None.

    function: reads `array`, float64, which is changed in place and brought back. projection: like its result.
    gradient: the claimed one, like `array`, on the host. rng: chooses the direction, ±1 an element.
    """
    original = array.copy()
    direction = rng.choice([-1.0, 1.0], array.size)
    claims = gradient.ravel() * direction

    def discrepancy(members: np.ndarray) -> float:
        """Return how far the derivative along the members' part of the direction is from what the gradient claims."""
        part = np.zeros(array.size)
        part[members] = STEP * direction[members]
        offset = to_device(part.reshape(array.shape), device_of(array))
        array[...] = original + offset
        above = function().copy()  # a view of `array` would follow its next change
        array[...] = original - offset
        change = float(((above - function()) * projection).sum())
        array[...] = original
        return abs(change / (2 * STEP) - claims[members].sum())

    members = np.arange(array.size)
    if not discrepancy(members) > NOTICEABLE * np.linalg.norm(claims):
        return None
    while members.size > 1:
        members = max(np.array_split(members, 2), key=discrepancy)
    return tuple(int(i) for i in np.unravel_index(members[0], array.shape))
