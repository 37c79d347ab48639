"""`DeviceArray`: as strict as a CuPy array, with its numbers in a NumPy array that nobody else gets to see.

- It is no `numpy.ndarray` and never becomes one unasked: `numpy.asarray(x)` and every NumPy function raise TypeError.
  `x.get()` is the only way to the host.
- It never mixes with NumPy arrays: `device + host`, `host * device`, `device[host]` raise TypeError. Python numbers
  and NumPy scalars may stand beside it, as with CuPy.
- Reductions return arrays of no dimensions, never NumPy scalars.
- An array of indices that is out of bounds wraps around without a word.
- Assigning through an array of indices that names a place twice is undefined on a GPU, so it is an error here.
- It has no attribute that `cupy.ndarray` lacks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_ATTRIBUTES = frozenset((Path(__file__).parent / "cupy_array_names.txt").read_text().split())
_PROPERTIES = frozenset({"dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size"})


def host_of(value: Any) -> Any:
    """Return what NumPy shall compute with: the numbers of a DeviceArray, or the Python or NumPy scalar itself.

    Raises TypeError for a NumPy array, wherever it hides.
    """
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError("a device array cannot be combined with a NumPy array: move one of them first")
    if isinstance(value, tuple | list):
        return type(value)(host_of(item) for item in value)
    return value


def on_device(value: Any) -> Any:
    """Return a NumPy result as it would come from the device: arrays and scalars as DeviceArrays.

    A result that shares memory with what it was made from, as a view does, goes on sharing it.
    """
    if isinstance(value, np.ndarray | np.generic):
        return DeviceArray._view(np.asarray(value))
    if isinstance(value, tuple):
        return tuple(on_device(item) for item in value)
    return value


class DeviceArray:
    """An array on the stand-in device, made from a copy of a NumPy array."""

    __array_ufunc__ = None  # NumPy arrays leave mixed arithmetic to this class, which refuses it
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray) -> None:
        self._host = np.array(host)

    def get(self) -> np.ndarray:
        """Return a copy on the host."""
        return self._host.copy()

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("implicit conversion of a device array to a NumPy array: use .get()")

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        from tests.device_stand_in import namespace

        return namespace

    def __getattr__(self, name: str) -> Any:
        if name not in _ATTRIBUTES:
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        if name in _PROPERTIES:
            return getattr(self._host, name)
        if name == "device":
            return SimpleNamespace(id=0)
        if name == "data":
            return SimpleNamespace(ptr=self._host.ctypes.data)
        if name == "T":
            return self._view(self._host.T)
        method = getattr(self._host, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return on_device(method(*(host_of(a) for a in args), **{key: host_of(v) for key, v in kwargs.items()}))

        return call

    @staticmethod
    def _view(host: np.ndarray) -> DeviceArray:
        """Wrap `host` without a copy: what NumPy made of device arrays, which may share memory with them."""
        view = DeviceArray.__new__(DeviceArray)
        view._host = host
        return view

    def __getitem__(self, key: Any) -> DeviceArray:
        return on_device(self._host[_key(key, self.shape)])

    def __setitem__(self, key: Any, value: Any) -> None:
        host_key = _key(key, self.shape)
        arrays = [k for k in (host_key if isinstance(host_key, tuple) else (host_key,)) if isinstance(k, np.ndarray)]
        if arrays and arrays[0].dtype != bool:
            places = np.stack([a.ravel() for a in np.broadcast_arrays(*arrays)], axis=1)
            if len(np.unique(places, axis=0)) < len(places):
                raise AssertionError("an assignment names the same element twice: undefined on a GPU")
        self._host[host_key] = host_of(value)

    def __len__(self) -> int:
        return len(self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __int__(self) -> int:
        return int(self._host)

    def __float__(self) -> float:
        return float(self._host)

    def __repr__(self) -> str:
        return f"DeviceArray({self._host!r})"


def _key(key: Any, shape: tuple[int, ...]) -> Any:
    """Return an index as NumPy takes it, wrapping arrays of indices into bounds as a GPU does."""
    if not isinstance(key, tuple):
        return _key((key,), shape)[0] if isinstance(key, DeviceArray) else host_of(key)
    axis, host_key = 0, []
    for part in key:
        if isinstance(part, DeviceArray) and part.dtype != bool:
            host_key.append(part._host % shape[axis])
        else:
            host_key.append(host_of(part))
        axis += part is not None
    return tuple(host_key)


def _unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda self: on_device(function(self._host))


def _binary(function: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Any, Any], Any]:
    def operate(self: DeviceArray, other: Any) -> Any:
        if not isinstance(other, DeviceArray | np.generic | np.ndarray | bool | int | float | complex):
            return NotImplemented
        mine, theirs = self._host, host_of(other)
        return on_device(function(theirs, mine) if reflected else function(mine, theirs))

    return operate


def _in_place(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operate(self: DeviceArray, other: Any) -> DeviceArray:
        function(self._host, host_of(other))
        return self

    return operate


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
    _function = getattr(operator, f"__{_name}__")
    setattr(DeviceArray, f"__{_name}__", _binary(_function, reflected=False))
    setattr(DeviceArray, f"__r{_name}__", _binary(_function, reflected=True))
    setattr(DeviceArray, f"__i{_name}__", _in_place(getattr(operator, f"__i{_name}__")))
for _name in ("matmul", "eq", "ne", "lt", "le", "gt", "ge"):
    setattr(DeviceArray, f"__{_name}__", _binary(getattr(operator, f"__{_name}__"), reflected=False))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(DeviceArray, f"__{_name}__", _unary(getattr(operator, f"__{_name}__")))
