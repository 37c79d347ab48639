"""The functions for `DeviceArray`, as the module `cupy` is for CuPy's arrays: every name that CuPy has, and no other.

Each runs NumPy's function of that name, refuses NumPy arrays, and returns DeviceArrays. Only `array` and `asarray`
take host arrays: asking for it by name is how one moves to the device.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.special

from tests.device_stand_in.array import DeviceArray, host_of, on_device

# All public names of CuPy 14.2, from dir(cupy).
CUPY_NAMES = frozenset((Path(__file__).parent / "cupy_names.txt").read_text().split())


def asarray(a: Any, dtype: Any = None) -> DeviceArray:
    """Return `a` on the device."""
    if isinstance(a, DeviceArray) and (dtype is None or a.dtype == dtype):
        return a
    return DeviceArray(np.asarray(a.get() if isinstance(a, DeviceArray) else a, dtype=dtype))


def array(obj: Any, dtype: Any = None) -> DeviceArray:
    """Return a copy of `obj` on the device."""
    return DeviceArray(np.array(obj.get() if isinstance(obj, DeviceArray) else obj, dtype=dtype))


def __getattr__(name: str) -> Any:
    if name not in CUPY_NAMES:
        raise AttributeError(f"CuPy has no {name!r}")
    original = getattr(np, name)
    return original if isinstance(original, type) or not callable(original) else _for_device_arrays(original)


def _for_device_arrays(original: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        result = original(*(host_of(a) for a in args), **{key: host_of(v) for key, v in kwargs.items()})
        for argument in (*args, *kwargs.values()):  # ascontiguousarray, for one, gives back what is contiguous already
            if isinstance(argument, DeviceArray) and argument._host is result:
                return argument
        return on_device(result)

    return function


special = SimpleNamespace(erfc=_for_device_arrays(scipy.special.erfc))  # as in cupyx.scipy.special
