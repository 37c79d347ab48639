"""The arrays that kernels are compiled for: which dtypes, and which layout in memory."""

from __future__ import annotations

import numpy as np

FLOATS = (np.float32, np.float64)


def plain(array: np.ndarray) -> np.ndarray:
    """Return `array` in the layout that kernels are compiled for, C-contiguous and writable, copied if it is not.

    Numba takes a read-only array for another type and would compile for it anew, which takes seconds.
    """
    if array.flags.c_contiguous and array.flags.writeable:
        return array
    return np.require(array, requirements=("C", "W"))
