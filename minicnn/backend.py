"""Where arrays live: NumPy arrays on the host, CuPy arrays on a GPU, the same code for both.

`array_module(x)` gives the module (`xp`) whose functions work on `x`. Whether there is a GPU: see `minicnn.devices`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from minicnn.devices import require_cupy, resolve_device
from minicnn.errors import DeviceError

Array = Any  # numpy.ndarray or cupy.ndarray: the formulas are the same for both


def array_module(x: Array) -> ModuleType:
    """Return the array module of `x`: `numpy`, `cupy`, or what its `__array_namespace__()` names.

    Raises TypeError when `x` is no array (a list, a number).
    """
    if isinstance(x, np.ndarray | np.generic):
        return np
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    raise TypeError(f"expected a NumPy or CuPy array, got {type(x).__name__}; convert it with numpy.asarray first")


def special_functions(x: Array) -> ModuleType:
    """Return the module whose erfc and other special functions work on `x`: SciPy's, CuPy's, or its own library's."""
    xp = array_module(x)
    if hasattr(xp, "special"):
        return xp.special
    return importlib.import_module("scipy.special" if xp is np else "cupyx.scipy.special")


def is_array(x: object) -> bool:
    """Return whether `x` is an array of some device: NumPy's, CuPy's, or one with an `__array_namespace__()`."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):  # which has no __array_namespace__
        return True
    return hasattr(x, "__array_namespace__") and not isinstance(x, np.generic)


def device_of(x: Array) -> str:
    """Return where the array `x` lives: "cpu" for NumPy, "gpu" for anything else."""
    return "cpu" if array_module(x) is np else "gpu"


def mixed_devices(what: str, named: Mapping[str, object]) -> DeviceError:
    """Return the error for `what` having got arrays of two devices: of all that are `named`, it says where each is."""
    places = ", ".join(f"{name} on the {device_of(a)}" for name, a in named.items() if is_array(a))
    return DeviceError(f"{what} got arrays of two devices: {places}; move them together with to_device")


def to_numpy(x: Array) -> np.ndarray:
    """Return `x` as a NumPy array, copied from the device if it lives on one."""
    return x if isinstance(x, np.ndarray) else np.asarray(x.get() if hasattr(x, "get") else x)


def to_device(x: Array, device: str) -> Array:
    """Return `x` on `device` ("cpu" or "gpu"), as it is if it lives there already.

    Raises DeviceError where there is no GPU.
    """
    if device == "cpu":
        return to_numpy(x)
    if resolve_device(device) == device_of(x):
        return x
    return require_cupy().asarray(x)
