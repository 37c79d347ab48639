"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed.

A kernel spreads over all threads of the process, so kernels run one at a time (`in_turn`): a second Python thread that
calls one waits, where two at once would only compete for the same cores (and abort under Numba's "workqueue" layer).
A process that ran a kernel must not be forked (OpenMP's threads do not come along and the child hangs): start further
processes with the "spawn" method.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

# A thread that waits for the next kernel sleeps instead of spinning: on a few cores it would take them from the loader
# threads or from another process. Waking costs about 10 µs a kernel. OpenMP reads this once, when Numba loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numba

from minicnn.threads import get_threads

_turn = threading.RLock()  # re-entrant: a kernel may call an operation that has a kernel


def in_turn(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Let `kernel` run when no other Python thread runs one, on the process's number of threads."""

    @functools.wraps(kernel)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _turn:
            # Numba keeps a count for each Python thread, and "all cores" for one that never set it.
            numba.set_num_threads(min(get_threads(), numba.config.NUMBA_NUM_THREADS))
            return kernel(*args, **kwargs)

    return run
