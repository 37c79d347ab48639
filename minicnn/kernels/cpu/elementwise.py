"""What the element-by-element kernels share: which arrays they take, and how they divide them among threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn.kernels.cpu.arrays import FLOATS, plain
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.team import team_of, work_together

SMALLEST = 1 << 16  # elements: below that NumPy is as fast
SMALLEST_SHARE = 1 << 18  # elements, some 50 µs: handing less than that to another thread costs more than it saves


def takes(*arrays: np.ndarray) -> bool:
    """Return whether `arrays` are of one float dtype and one shape, and large enough to be worth a kernel."""
    first = arrays[0]
    return (
        first.size >= SMALLEST
        and first.dtype in FLOATS
        and all(a.dtype == first.dtype and a.shape == first.shape for a in arrays)
    )


def compute(kernel: Callable[..., None], arrays: Sequence[np.ndarray], *settings: float) -> np.ndarray:
    """Return the array, like each of `arrays`, that kernel(*arrays, result, *settings) fills, all as rows.

    NotImplemented, for the formula to do it, unless `takes(*arrays)`. The settings arrive in the arrays' own dtype.
    """
    if not takes(*arrays):
        return NotImplemented
    result = empty(arrays[0].shape, arrays[0].dtype)
    run_divided(kernel, [*map(flat, arrays), result.reshape(-1)], *map(result.dtype.type, settings))
    return result


def flat(array: np.ndarray) -> np.ndarray:
    """Return `array` as one contiguous row, copied only if it does not lie in memory so."""
    return plain(array).reshape(-1)


def flat_in_place(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """Return views of `arrays` as rows to write through, or None where one is not contiguous or may not be written."""
    return [a.reshape(-1) for a in arrays] if all(a.flags.carray for a in arrays) else None


def threads_for(elements: int) -> int:
    """Return how many threads are worth waking for so many elements: at most `get_threads()`."""
    return team_of(elements // SMALLEST_SHARE)


def run_divided(kernel: Callable[..., None], rows: Sequence[np.ndarray], *others: Any) -> None:
    """Call kernel(*rows, *others) on equal pieces of the rows, all of one length, with a thread for each piece."""
    work_together(_run_on_piece, threads_for(rows[0].size), kernel, rows, others)


def _run_on_piece(
    thread: int, threads: int, kernel: Callable[..., None], rows: Sequence[np.ndarray], others: tuple[Any, ...]
) -> None:
    first, end = (len(rows[0]) * number // threads for number in (thread, thread + 1))
    kernel(*(row[first:end] for row in rows), *others)
