"""What kernels are compiled for: which dtypes, which layout in memory, and which numbers for their settings."""

from __future__ import annotations

from typing import Any

import numpy as np

FLOATS = (np.float32, np.float64)


def plain(array: np.ndarray) -> np.ndarray:
    """Return `array` in the layout that kernels are compiled for, C-contiguous and writable, copied if it is not.

    Numba takes a read-only array for another type and would compile for it anew, which takes seconds.
    """
    if array.flags.c_contiguous and array.flags.writeable:
        return array
    return np.require(array, requirements=("C", "W"))


def whole(setting: Any) -> Any:
    """Return `setting`, a whole number, None, or a sequence of such, with Python's own int and tuple in it.

    Numba takes other integers for other types and would compile for them anew. Raises TypeError for anything else, a
    bool or 1.0 above all: as keys of a cache they equal 1, which a formula does not let them.
    """
    kind = type(setting)
    if kind is int or setting is None:
        return setting
    if kind is tuple or kind is list:
        return tuple([whole(part) for part in setting])
    if isinstance(setting, np.integer):
        return int(setting)
    raise TypeError(f"{setting!r} is no whole number")
