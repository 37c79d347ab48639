"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed."""

from __future__ import annotations

import numba

from minicnn.threads import get_threads


def apply_thread_count() -> None:
    """Give Numba the process's thread count."""
    numba.set_num_threads(min(get_threads(), numba.config.NUMBA_NUM_THREADS))


apply_thread_count()
