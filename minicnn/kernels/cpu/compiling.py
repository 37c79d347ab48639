"""Which functions Numba compiles with which options: every kernel is decorated with one of these and nothing else.

All of them divide as NumPy does (x / 0 is ∞ or NaN, no exception), which lets loops become vector instructions. A
kernel is one `entry` and what it calls. The entry alone is kept for the next process: its machine code holds all that
it calls, and to keep those as well would only take time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.extending import overload

from minicnn.kernels.cpu.cache import keep

Function = TypeVar("Function", bound=Callable[..., Any])

# The compiler may fuse a product and a sum, which rounds once instead of twice. No other liberty: NaN and ∞ are not
# hidden, and sums keep their order, but in the entries that say otherwise.
_CONTRACTING = {"fastmath": {"contract"}}
# Without the wrappers by which Python and C would call them: to compile those for every inner function takes long.
_FOR_KERNELS_ONLY = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_REORDERING = {"fastmath": {"contract", "reassoc"}}


def entry(function: Function) -> Function:
    """Compile what Python calls: it is kept for the next process, and leaves the GIL to other threads."""
    return _kept(function)


def contracting_entry(function: Function) -> Function:
    """Compile an `entry` whose products and sums may be fused."""
    return _kept(function, **_CONTRACTING)


def reordering_entry(function: Function) -> Function:
    """Compile a `contracting_entry` that may add up in any order: a sum along a row then needs no number's turn."""
    return _kept(function, **_REORDERING)


def inner(function: Function) -> Function:
    """Compile what kernels call, together with each that calls it; whether it is inlined is left to LLVM."""
    return njit(error_model="numpy", **_FOR_KERNELS_ONLY)(function)


def inlined(function: Function) -> Function:
    """Compile what kernels call by putting its source in the caller's place: for loops that LLVM would leave a call."""
    return njit(error_model="numpy", inline="always")(function)


def arithmetic_by_dtype(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile what the decorated function returns, an `arithmetic` for a dtype, where kernels call `function`."""
    return overload(function, jit_options={"error_model": "numpy", "forceinline": True, **_CONTRACTING})


def arithmetic(function: Function) -> Function:
    """Compile a short formula for a loop's body: LLVM must inline it, and its products and sums may be fused."""
    return njit(error_model="numpy", forceinline=True, **_CONTRACTING)(function)


def _kept(function: Function, **options: Any) -> Function:
    return keep(njit(nogil=True, error_model="numpy", **options)(function))
