"""How an operation is called: checked once, run by its formula or its fast twin, and seen by whoever observes.

An operation in `minicnn.ops` is a plain function that spells out its formula. `@accelerated(check)` lets a call

1. check shapes and dtypes, once, whoever computes then: `check` takes the operation's own arguments, and raises;
2. run the function of the same name and signature in `minicnn.kernels.cpu` for a NumPy array, in `minicnn.kernels.gpu`
   for a CuPy array, or the formula where there is none, where the twin answers `NotImplemented` (a dtype it does not
   take), or where the formula was asked for: `use_kernels("reference")`, or the environment variable
   MINICNN_KERNELS=reference. Which function runs is decided here alone; which steps, by a network's plan;
3. be seen, by what was given to `observe`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minicnn.backend import array_module, device_of, is_array, mixed_devices
from minicnn.errors import UsageError

MODES = ("fast", "reference")
_SETTINGS = (int, float, bool, str, tuple, type(None))  # of an operation's arguments, those that are no arrays

_mode: ContextVar[str | None] = ContextVar("minicnn_kernels", default=None)

Operation = TypeVar("Operation", bound=Callable[..., Any])


def chosen_mode() -> str | None:
    """Return the mode that `use_kernels` or MINICNN_KERNELS asks for, None where neither does."""
    mode = _mode.get() or os.environ.get("MINICNN_KERNELS") or None
    if mode is not None and mode not in MODES:
        raise UsageError(f"unknown kernels {mode!r} (MINICNN_KERNELS): choose fast or reference")
    return mode


def kernel_mode() -> str:
    """Return the mode in force: "fast" (kernels where there are any) or "reference" (the formulas)."""
    return chosen_mode() or "fast"


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


class Call(NamedTuple):
    """One call of an operation, as an observer sees it when the operation has returned.

    operation: such as `minicnn.ops.conv2d`. arguments: by name, defaults included. result: what it returned. ran:
    "formula", "cpu" or "gpu", the twin that computed it. asked_by: the layer, step or loss whose forward or backward
    pass called it, None for a call from elsewhere. direction: "forward" or "backward", which of the two that was.
    depth: how many operations it was called within (conv2d calls im2col: depth 1).

    Arrays are those of the pass itself: an observer copies what it wants to keep, and changes nothing.
    """

    operation: Callable[..., Any]
    arguments: dict[str, Any]
    result: Any
    ran: str
    asked_by: object | None
    direction: str | None
    depth: int

    @property
    def name(self) -> str:
        """The operation's name, such as "conv2d_backward"."""
        return self.operation.__name__


Observer = Callable[[Call], None]
_observers: ContextVar[tuple[Observer, ...]] = ContextVar("minicnn_observers", default=())
_depth: ContextVar[int] = ContextVar("minicnn_depth", default=0)


@contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Call `observer` with each operation's `Call` while the block runs, in this thread, in the order they return."""
    token = _observers.set((*_observers.get(), observer))
    try:
        yield
    finally:
        _observers.reset(token)


def accelerated(check: Callable[..., None] | None = None) -> Callable[[Operation], Operation]:
    """Let an operation check its arguments with `check`, run its twin in `minicnn.kernels`, and be observed.

    check: called with the operation's arguments; raises ShapeError, TypeError or UsageError for what does not belong
    together. The operation's first argument, an array, decides the device. What is decorated has three attributes:
    `.formula`, the function as it is written; `.reference`, which is the operation with formulas for all that it calls
    in turn; and `.twin(device)`, the kernel for "cpu" or "gpu", or None.
    """
    return functools.partial(_accelerate, check)


def _accelerate(check: Callable[..., None] | None, formula: Operation) -> Operation:
    signature = inspect.signature(formula)
    first_argument = next(iter(signature.parameters))
    room = formula.__module__.rpartition(".")[2]

    @functools.cache
    def twin(device: str) -> Callable[..., Any] | None:
        module = f"minicnn.kernels.{device}.{room}"
        if importlib.util.find_spec(module) is None:
            return None
        return getattr(importlib.import_module(module), formula.__name__, None)

    def run(*args: Any, **kwargs: Any) -> tuple[str, Any]:
        if not args and first_argument not in kwargs:
            signature.bind(*args, **kwargs)  # raises a TypeError that names what is missing
        array_module(args[0] if args else kwargs[first_argument])  # a clear TypeError for what is no array
        device = _common_device(formula, args, kwargs)
        if check is not None:
            check(*args, **kwargs)
        if kernel_mode() == "fast":
            kernel = twin(device)
            if kernel is not None:
                result = kernel(*args, **kwargs)
                if result is not NotImplemented:
                    return device, result
        return "formula", formula(*args, **kwargs)

    @functools.wraps(formula)
    def operation(*args: Any, **kwargs: Any) -> Any:
        observers = _observers.get()
        if not observers:
            return run(*args, **kwargs)[1]
        token = _depth.set(_depth.get() + 1)
        try:
            ran, result = run(*args, **kwargs)
        finally:
            _depth.reset(token)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        call = Call(operation, dict(bound.arguments), result, ran, *_who_asked(sys._getframe(1)), _depth.get())
        for observer in observers:
            observer(call)
        return result

    @functools.wraps(formula)
    def reference(*args: Any, **kwargs: Any) -> Any:
        with use_kernels("reference"):
            return operation(*args, **kwargs)

    operation.formula = formula  # type: ignore[attr-defined]
    operation.reference = reference  # type: ignore[attr-defined]
    operation.twin = twin  # type: ignore[attr-defined]
    return operation  # type: ignore[return-value]


def _who_asked(frame: FrameType | None) -> tuple[object | None, str | None]:
    """Return the object whose forward or backward pass calls from `frame`, and which of the two it is.

    It is read off the call stack, and only while somebody observes: so a layer need not say who it is, and a pass
    that nobody watches pays nothing.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_name in ("forward", "backward") and code.co_argcount and code.co_varnames[0] in frame.f_locals:
            return frame.f_locals[code.co_varnames[0]], code.co_name
        frame = frame.f_back
    return None, None


def _common_device(operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return the device that all array arguments share, or say which array is where."""
    # NumPy arrays and plain settings are told by their type at once: with one small picture, asking costs as much as
    # computing.
    devices = {
        "cpu" if type(a) is np.ndarray else device_of(a)
        for a in (*args, *kwargs.values())
        if type(a) is np.ndarray or (not isinstance(a, _SETTINGS) and is_array(a))
    }
    if len(devices) == 1:
        return devices.pop()
    if not devices:
        raise TypeError(f"{operation.__name__} computes on arrays, and got none: convert numbers with numpy.asarray")
    raise mixed_devices(operation.__name__, inspect.signature(operation).bind(*args, **kwargs).arguments)
