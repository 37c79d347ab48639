"""Where arrays live: NumPy arrays on the host, CuPy arrays on a GPU, the same code for both.

`array_module(x)` gives the module (`xp`) whose functions work on `x`. CuPy is imported only when a GPU is asked for.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

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


def is_array(x: object) -> bool:
    """Return whether `x` is an array of some device: NumPy's, CuPy's, or one with an `__array_namespace__()`."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):  # which has no __array_namespace__
        return True
    return hasattr(x, "__array_namespace__") and not isinstance(x, np.generic)


def device_of(x: Array) -> str:
    """Return where the array `x` lives: "cpu" for NumPy, "gpu" for anything else."""
    return "cpu" if array_module(x) is np else "gpu"


def cupy_available() -> bool:
    """Return whether CuPy is installed and finds a working GPU."""
    try:
        require_cupy()
    except DeviceError:
        return False
    return True


def require_cupy() -> ModuleType:
    """Import and return CuPy.

    Raises DeviceError naming what is missing: the package, the driver, or the device.
    """
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            "a GPU was asked for, but CuPy is not installed: pip install 'minicnn[gpu-cuda13]' "
            f"(or gpu-cuda12, to match the driver), or use --device cpu ({error})"
        ) from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            "a GPU was asked for and CuPy is installed, but the NVIDIA driver does not answer: install or update "
            f"the driver, or use --device cpu ({error})"
        ) from error
    if devices == 0 or not cupy.cuda.is_available():
        raise DeviceError("a GPU was asked for, but this machine shows no CUDA device: use --device cpu")
    return cupy


def resolve_device(device: str) -> str:
    """Turn "auto" into "gpu" where one works and "cpu" elsewhere; check that "gpu" can be had.

    Raises DeviceError for an unknown name or a GPU that is not there.
    """
    if device == "auto":
        return "gpu" if cupy_available() else "cpu"
    if device == "gpu":
        require_cupy()
    elif device != "cpu":
        raise DeviceError(f"unknown device {device!r}: choose cpu, gpu or auto")
    return device


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
