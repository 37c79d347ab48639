"""Matrix products inside kernels: the BLAS behind Numba's `np.dot`, with leading dimensions and accumulation.

`np.dot` takes whole contiguous matrices and always overwrites. A kernel multiplies pieces of its scratch memory and
adds to gradients, so it calls the same routine (Numba's wrapper around SciPy's OpenBLAS) with BLAS's own arguments.

Each thread of a kernel calls BLAS by itself, so BLAS must not start threads of its own: two pools of threads would
spin against each other. Every kernel that multiplies therefore runs within `one_blas_thread()`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import threadpoolctl
from numba import types

from minicnn.kernels.cpu.blas_library import LIBRARIES, SMALL_KERNELS
from minicnn.kernels.cpu.compiling import inner

_ONE32, _ONE64 = np.ones(1, np.float32), np.ones(1, np.float64)
_ZERO32, _ZERO64 = np.zeros(1, np.float32), np.zeros(1, np.float64)
_N, _T, _S, _D = ord("n"), ord("t"), ord("s"), ord("d")

SMALLEST_PIECE = 32  # rows or terms

# int numba_xxgemm(kind, transa, transb, m, n, k, *alpha, *a, lda, *b, ldb, *beta, *c, ldc), column-major as BLAS is.
_xxgemm = types.ExternalFunction(
    "numba_xxgemm",
    types.intc(
        types.char, types.char, types.char, types.intp, types.intp, types.intp, types.voidptr, types.voidptr,
        types.intp, types.voidptr, types.intp, types.voidptr, types.voidptr, types.intp,
    ),
)  # fmt: skip


@inner
def _compiled_gemm(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc):
    # A row-major matrix is its transpose to a column-major routine: C = A·B is asked for as Cᵀ = Bᵀ·Aᵀ.
    ta = _T if transpose_a else _N
    tb = _T if transpose_b else _N
    if c.itemsize == 4:
        beta = _ONE32 if accumulate else _ZERO32
        _xxgemm(_S, tb, ta, n, m, k, _ONE32.ctypes, b.ctypes, ldb, a.ctypes, lda, beta.ctypes, c.ctypes, ldc)
    else:
        beta64 = _ONE64 if accumulate else _ZERO64
        _xxgemm(_D, tb, ta, n, m, k, _ONE64.ctypes, b.ctypes, ldb, a.ctypes, lda, beta64.ctypes, c.ctypes, ldc)


def _plain_gemm(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc):
    def matrix(array, rows, columns, row_length):
        strides = (row_length * array.itemsize, array.itemsize)
        return np.lib.stride_tricks.as_strided(array, (rows, columns), strides)

    left = matrix(a, k, m, lda).T if transpose_a else matrix(a, m, k, lda)
    result = matrix(c, m, n, ldc)
    right = matrix(b, n, k, ldb).T if transpose_b else matrix(b, k, n, ldb)
    result[:] = left @ right + (result if accumulate else 0)


# gemm(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc):
#     C (m, n) = op(A) (m, k) · op(B) (k, n), added to C if `accumulate`; the arrays as for `multiply`.
gemm = _plain_gemm if numba.config.DISABLE_JIT else _compiled_gemm


@inner
def multiply(m, n, k, a, lda, b, ldb, accumulate, c, ldc):
    """C (m, n) = A (m, k) · B (k, n), added to C if `accumulate`.

    a, b and c are flat contiguous arrays that begin with the first element of their matrix; lda, ldb and ldc are the
    lengths of a row as stored, in elements. (To multiply by a transpose, store the transpose: that kernel is faster.)
    """
    rows = _piece(m, n * k)
    for start in range(0, m, rows):
        gemm(
            False, False, min(rows, m - start), n, k, a[start * lda :], lda, b, ldb, accumulate, c[start * ldc :], ldc
        )  # fmt: skip


@inner
def add_transposed_product(m, n, k, a, lda, b, ldb, c, ldc):
    """C (m, n) += Aᵀ · B with A (k, m) and B (k, n), stored as for `multiply`."""
    terms = _piece(k, m * n)
    for start in range(0, k, terms):
        gemm(True, False, m, n, min(terms, k - start), a[start * lda :], lda, b[start * ldb :], ldb, True, c, ldc)


@inner
def _piece(length, other_lengths):
    """Return how much of a dimension to multiply at a time, in equal pieces.

    With SMALL_KERNELS, OpenBLAS does up to 10⁶ multiplications without packing the matrices first, which is up to a
    quarter faster; but pieces so thin that the other matrix is read again and again are slower.
    """
    if not SMALL_KERNELS:
        return max(length, 1)
    pieces = max(-(-length * other_lengths // 1_000_000), 1)
    piece = -(-length // pieces)
    return piece if piece >= SMALLEST_PIECE else max(length, 1)


def _setter(library: threadpoolctl.LibController) -> Callable[[int], Any]:
    """Return the function that sets how many threads a library uses: OpenBLAS's own, or threadpoolctl's.

    threadpoolctl lets only one Python thread set OpenBLAS's number, the first that did; any other's wish is ignored.
    """
    for prefix in ("", "scipy_"):
        for suffix in ("", "64_", "_64"):
            name = f"{prefix}openblas_set_num_threads{suffix}"
            if hasattr(library.dynlib, name):
                return getattr(library.dynlib, name)
    return library.set_num_threads


_setters = [_setter(library) for library in LIBRARIES]
_limit = threading.Lock()
_users: set[int] = set()  # the Python threads whose kernels multiply now
_threads_before: list[int] = []  # of each library; empty while none is limited


def _set_threads(threads: Iterable[int]) -> None:
    for set_threads, number in zip(_setters, threads, strict=False):
        set_threads(number)


def _give_back() -> None:
    _set_threads(_threads_before)
    _threads_before.clear()


def _forget_users() -> None:
    """Give BLAS its threads back in a forked process: whoever limited them lives on in the parent alone."""
    global _limit
    _limit = threading.Lock()
    _users.clear()
    _give_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_users)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep the BLAS that kernels call to one thread for the duration of the block, then give it its threads back.

    Not to be nested. A KeyboardInterrupt between any two lines leaves nothing that the next use does not put right.
    """
    try:
        with _limit:
            _users.add(threading.get_ident())
            if not _threads_before:
                _threads_before[:] = [library.get_num_threads() for library in LIBRARIES]
            _set_threads([1] * len(_setters))
        yield
    finally:
        with _limit:
            _users.discard(threading.get_ident())
            if not _users:
                _give_back()
