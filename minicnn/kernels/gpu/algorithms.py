"""Which algorithm convolves: the choice by shape and precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.devices import tf32_allowed
from minicnn.errors import UsageError
from minicnn.kernels.gpu import column_gemm, implicit_gemm
from minicnn.ops.windows import Padding, Pair

ALGORITHMS = {"columns": column_gemm, "implicit": implicit_gemm}

MOST_FILTERS = 128  # with which implicit GEMM is chosen
FEWEST_NUMBERS = 64  # of a window, with which it is chosen backward

_forced: str | None = None


def choose_algorithm(
    x: Array, weight: Array, stride: Pair, padding: Padding, backward: bool = False, dilation: Pair = (1, 1)
) -> ModuleType:
    """Return the module whose `forward` or `backward` suits the shapes.

    Estimated from traffic and rates, not measured, for an H200. For each of the N·OH·OW·KH·KW·C numbers of im2col(x),
    writing and reading it moves 8 bytes, 1.7 ps at 4.8 TB/s; its products are 2·F operations, 0.006·F ps at 350 TFLOP/s
    by cuBLAS in TF32. Implicit GEMM saves the first, but its products may take 0.015·F: the two meet near F = 170.
    Without TF32 it would be 0.035·F by cuBLAS, and some 0.05·F by a plain kernel: they would meet near F = 110, and at
    F = 64 little would be gained, so that there is no such kernel.
    """
    if _forced == "implicit" and (x.dtype != np.float32 or dilation != (1, 1)):
        raise UsageError("implicit GEMM convolves float32 only, and without dilation")
    if _forced is not None:
        return ALGORITHMS[_forced]
    kh, kw, c, f = weight.shape
    if dilation != (1, 1) or x.dtype != np.float32 or not tf32_allowed(array_module(x)):
        return column_gemm
    if column_gemm.is_pointwise(weight, stride, padding):
        return column_gemm  # the picture is the matrix: there is no traffic to save
    if backward and kh * kw * c < FEWEST_NUMBERS:
        return column_gemm  # a tile of dW has 128 rows, and would be multiplied for a few
    return implicit_gemm if f <= MOST_FILTERS else column_gemm


@contextmanager
def force_algorithm(name: str) -> Iterator[None]:
    """Convolve by "columns" or "implicit" (which is TF32) whatever the shape, for tests and measurements.

    Raises UsageError for any other name.
    """
    global _forced
    if name not in ALGORITHMS:
        raise UsageError(f"unknown algorithm {name!r}: choose one of {', '.join(ALGORITHMS)}")
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before
