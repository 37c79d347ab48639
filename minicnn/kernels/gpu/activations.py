"""Activations for CuPy arrays: each kernel in activations.cu is the twin of the operation that it is named as.

A kernel takes the operation's arrays, then the result, which is like each of them, and their count, then the
operation's settings, as REAL. So nothing has to be written here for it.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minicnn.backend import Array, array_module, is_array
from minicnn.kernels.gpu.launch import elements, kernels_take, launch
from minicnn.ops import activations


def __getattr__(name: str) -> Callable[..., Array]:
    """Return the twin of the operation `name`. Raises AttributeError where activations.cu has no kernel for it."""
    if name not in _kernels():
        raise AttributeError(f"activations.cu has no kernel {name!r}")
    signature = inspect.signature(getattr(activations, name))

    def twin(*args: Any, **kwargs: Any) -> Array:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arrays = [value for value in bound.arguments.values() if is_array(value)]
        settings = [float(value) for value in bound.arguments.values() if not is_array(value)]
        if not kernels_take(*arrays):
            return NotImplemented
        xp = array_module(arrays[0])
        result = xp.empty(arrays[0].shape, dtype=arrays[0].dtype)
        arguments = (*map(xp.ascontiguousarray, arrays), result, result.size, *settings)
        launch("activations.cu", name, elements(result.size), arguments, real=result.dtype)
        return result

    twin.__name__, twin.__signature__ = name, signature  # type: ignore[attr-defined]
    return twin


@functools.cache
def _kernels() -> frozenset[str]:
    code = Path(__file__).with_suffix(".cu").read_text(encoding="utf-8")
    return frozenset(re.findall(r"__global__ void (\w+)\(", code))
