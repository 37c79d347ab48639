"""The kinds of a network's passes: which of them keep what backward needs, and how that is kept safe.

A training pass keeps, and so does an evaluation within `keep_for_backward()`; an inference pass keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from minicnn.backend import Array

_keeping: ContextVar[bool] = ContextVar("minicnn_keeping", default=False)
_inside: ContextVar[bool] = ContextVar("minicnn_inside_a_pass", default=False)


@contextmanager
def keep_for_backward() -> Iterator[None]:
    """Let forward passes within the block keep what backward needs even if they are not training passes.

    For the gradient of a network as it is used: no dropout, batch norm with its running statistics.

        with keep_for_backward():
            logits = net.forward(x)
        dx = net.backward(dlogits)
    """
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


@contextmanager
def inside_a_pass() -> Iterator[bool]:
    """Run the block as a part of a network's pass; yields whether that network is the outermost one."""
    token = _inside.set(True)
    try:
        yield token.old_value is not True
    finally:
        _inside.reset(token)


def is_inside_a_pass() -> bool:
    """Return whether a network's pass is running that keeps what backward needs."""
    return _inside.get()


def keeps_for_backward(training: bool) -> bool:
    """Return whether a pass, training or not, has to keep what backward needs."""
    return training or _keeping.get()


class Absent:
    """Stands where an array would be, had a fused step not gone without it; says why when it is looked at."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"<absent: {self.reason}>"

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise RuntimeError(f"there is no such array: {self.reason}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks for, as when a network is copied
            raise AttributeError(name)
        raise AttributeError(f"no {name}: there is no such array, {self.reason}")

    def __bool__(self) -> bool:
        return False


def read_only(y: Array) -> Array:
    """Return y so that nobody can change it through what is returned: a read-only view, or on a GPU a copy."""
    if not isinstance(y, np.ndarray):
        return y.copy()
    view = y.view()
    view.flags.writeable = False
    return view
