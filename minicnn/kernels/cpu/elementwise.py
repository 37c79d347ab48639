"""What the element-by-element kernels share: which arrays they take, and how they look at them."""

from __future__ import annotations

import numpy as np

FLOATS = (np.float32, np.float64)
SMALLEST = 1 << 15  # elements: below that NumPy is done before the threads are awake


def takes(*arrays: np.ndarray) -> bool:
    """Return whether `arrays` are of one float dtype and one shape, and large enough to be worth threads."""
    first = arrays[0]
    return (
        first.size >= SMALLEST
        and first.dtype in FLOATS
        and all(a.dtype == first.dtype and a.shape == first.shape for a in arrays)
    )


def flat(array: np.ndarray) -> np.ndarray:
    """Return `array` as one contiguous row, copied only if it does not lie in memory so."""
    return np.ascontiguousarray(array).reshape(-1)


def flat_in_place(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """Return views of `arrays` as rows that can be written through, or None where one of them is not contiguous."""
    return [a.reshape(-1) for a in arrays] if all(a.flags.c_contiguous for a in arrays) else None
