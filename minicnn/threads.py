"""One thread count for the whole process: MINICNN_THREADS, or `set_threads`, or all cores."""

from __future__ import annotations

import functools
import operator
import os

from minicnn.errors import UsageError

_threads: int | None = None


@functools.cache  # asking the system takes a microsecond, and every kernel wants to know
def available_cores() -> int:
    """Return how many cores this process may use, as it was when first asked."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_threads() -> int:
    """Return how many threads the kernels use.

    MINICNN_THREADS above the number of cores means all of them. Raises UsageError when it is no positive whole number.
    """
    if _threads is not None:
        return _threads
    text = os.environ.get("MINICNN_THREADS", "")
    if not text:
        return available_cores()
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"MINICNN_THREADS={text!r} is no thread count: give a whole number of at least 1")
    return min(int(text), available_cores())


def set_threads(count: int) -> None:
    """Let the kernels use `count` threads (at most the cores of this process) from now on.

    Raises UsageError for what is no whole number, below 1, or above the number of cores.
    """
    global _threads
    try:
        threads = None if isinstance(count, bool) else operator.index(count)
    except TypeError:
        threads = None
    if threads is None:
        raise UsageError(f"cannot use {count!r} threads: give a whole number, not a {type(count).__name__}")
    if not 1 <= threads <= available_cores():
        raise UsageError(
            f"cannot use {count!r} threads: this process has {available_cores()} cores, give 1 to that many"
        )
    _threads = threads
