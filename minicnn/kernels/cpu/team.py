"""A team of threads that works through a compiled function, each on its own share.

Compiled functions release the GIL, so plain Python threads run them side by side. That compiles several times faster
than Numba's own parallel loops (which compile all they contain once more at each of their levels), and may be entered
by several threads at once, where Numba's default threading layer aborts the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from minicnn.kernels.cpu.compiling import inner
from minicnn.threads import available_cores, get_threads

SMALLEST_SHARE = 4_000_000  # multiplications, some 50 µs: to hand less than that to another thread costs more

_pool: ThreadPoolExecutor | None = None


def team_size(multiplications: int) -> int:
    """Return how many threads are worth waking for so many multiplications: at most `get_threads()`."""
    return team_of(multiplications // SMALLEST_SHARE)


def team_of(shares: int) -> int:
    """Return how many threads to wake for so many shares of work: at least one, at most `get_threads()`."""
    return max(1, min(get_threads(), shares))


def work_together(task: Callable[..., None], threads: int, *arguments: object) -> None:
    """Call task(thread, threads, *arguments) for thread = 0…threads−1 at the same time, and wait for all."""
    global _pool
    if _pool is None and threads > 1:
        _pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="minicnn-kernel")
    others = [_pool.submit(task, thread, threads, *arguments) for thread in range(1, threads)] if _pool else []
    try:
        task(0, threads, *arguments)
    finally:
        for other in others:
            other.result()


@inner
def share(total, thread, threads):
    """Return the first of a thread's share of `total` pieces, and the one after its last: equal, contiguous shares."""
    return total * thread // threads, total * (thread + 1) // threads


def _forget_pool() -> None:
    """Start a new team in a forked process: threads do not live on there."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
