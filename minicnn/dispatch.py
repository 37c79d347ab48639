"""How an operation finds its fast twin: the only dispatch in minicnn.

An operation in `minicnn.ops` is a plain function that spells out its formula. `@accelerated` lets a call on a NumPy
array run the function of the same name and signature in `minicnn.kernels.cpu`, on a CuPy array the one in
`minicnn.kernels.gpu`, and falls back to the formula where there is none, where the twin answers `NotImplemented`
(a dtype it does not take), or where the formula was asked for: `use_kernels("reference")`, or the environment
variable MINICNN_KERNELS=reference.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from minicnn.backend import array_module, device_of, is_array, mixed_devices
from minicnn.errors import UsageError

MODES = ("fast", "reference")
_SETTINGS = (int, float, bool, str, tuple, type(None))  # of an operation's arguments, those that are no arrays

_mode: ContextVar[str | None] = ContextVar("minicnn_kernels", default=None)

Operation = TypeVar("Operation", bound=Callable[..., Any])


def kernel_mode() -> str:
    """Return the mode in force: "fast" (kernels where there are any) or "reference" (the formulas)."""
    mode = _mode.get() or os.environ.get("MINICNN_KERNELS") or "fast"
    if mode not in MODES:
        raise UsageError(f"unknown kernels {mode!r} (MINICNN_KERNELS): choose fast or reference")
    return mode


@contextmanager
def use_kernels(mode: str) -> Iterator[None]:
    """Run the block with "fast" kernels or with the "reference" formulas.

    Raises UsageError for any other name.
    """
    if mode not in MODES:
        raise UsageError(f"unknown kernels {mode!r}: choose fast or reference")
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


def accelerated(operation: Operation) -> Operation:
    """Let `operation` run its twin in `minicnn.kernels` when there is one for the array it is given.

    The result has two attributes: `.reference`, always the formula (with formulas for all that it calls in turn),
    and `.twin(device)`, the kernel for "cpu" or "gpu", or None. Its first argument, an array, decides the device.
    """
    first_argument = next(iter(inspect.signature(operation).parameters))
    room = operation.__module__.rpartition(".")[2]

    @functools.cache
    def twin(device: str) -> Callable[..., Any] | None:
        module = f"minicnn.kernels.{device}.{room}"
        if importlib.util.find_spec(module) is None:
            return None
        return getattr(importlib.import_module(module), operation.__name__, None)

    @functools.wraps(operation)
    def dispatched(*args: Any, **kwargs: Any) -> Any:
        x = args[0] if args else kwargs[first_argument]
        array_module(x)  # a clear TypeError for what is no array
        device = _common_device(operation, args, kwargs)
        if kernel_mode() == "fast":
            kernel = twin(device)
            if kernel is not None:
                result = kernel(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        return operation(*args, **kwargs)

    @functools.wraps(operation)
    def reference(*args: Any, **kwargs: Any) -> Any:
        with use_kernels("reference"):
            return dispatched(*args, **kwargs)

    dispatched.reference = reference  # type: ignore[attr-defined]
    dispatched.twin = twin  # type: ignore[attr-defined]
    return dispatched  # type: ignore[return-value]


def _common_device(operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return the device that all array arguments share, or say which array is where."""
    # NumPy arrays and plain settings are told by their type at once: with one small picture, asking costs as much as
    # computing.
    devices = {
        "cpu" if type(a) is np.ndarray else device_of(a)
        for a in (*args, *kwargs.values())
        if type(a) is np.ndarray or (type(a) not in _SETTINGS and is_array(a))
    }
    if len(devices) == 1:
        return devices.pop()
    if not devices:
        raise TypeError(f"{operation.__name__} computes on arrays, and got none: convert numbers with numpy.asarray")
    raise mixed_devices(operation.__name__, inspect.signature(operation).bind(*args, **kwargs).arguments)
