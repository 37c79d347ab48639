"""Which algorithm convolves: the choice by shape and precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.errors import UsageError
from minicnn.kernels.gpu import column_gemm, implicit_gemm
from minicnn.ops.windows import Padding, Pair

ALGORITHMS = {"columns": column_gemm, "implicit": implicit_gemm}

MOST_FILTERS = 128  # with which implicit GEMM is chosen
FEWEST_NUMBERS = 64  # of a window, with which it is chosen backward

_forced: str | None = None


def choose_algorithm(x: Array, weight: Array, stride: Pair, padding: Padding, backward: bool = False) -> ModuleType:
    """Return the module whose `forward` or `backward` suits the shapes.

    Estimated from traffic, not measured. For each of the N·OH·OW·KH·KW·C numbers of im2col(x), writing and reading it
    moves 8 bytes, while its products are 2·F operations: at an H200's 4.8 TB/s and some 350 TFLOP/s of cuBLAS in TF32,
    1.7 and 0.0057·F picoseconds. Implicit GEMM saves the first, and pays for it with products at perhaps 130 TFLOP/s,
    0.015·F. The two meet near F = 170. Without TF32, products take 0.04·F whoever makes them, so that the traffic
    matters less, and cuBLAS makes them better than a plain kernel would.
    """
    if _forced == "implicit" and x.dtype != np.float32:
        raise UsageError("implicit GEMM convolves float32 only")
    if _forced is not None:
        return ALGORITHMS[_forced]
    kh, kw, c, f = weight.shape
    if x.dtype != np.float32 or not tf32_allowed(array_module(x)):
        return column_gemm
    if column_gemm.is_pointwise(weight, stride, padding):
        return column_gemm  # the picture is the matrix: there is no traffic to save
    if backward and kh * kw * c < FEWEST_NUMBERS:
        return column_gemm  # a tile of dW has 128 rows, and would be multiplied for a few
    return implicit_gemm if f <= MOST_FILTERS else column_gemm


def tf32_allowed(xp: ModuleType) -> bool:
    """Return whether products of float32 may round their inputs to TF32, and the GPU at hand has tensor cores for it.

    CUPY_TF32 is read as CuPy reads it for cuBLAS's products. Tensor cores know TF32 from compute capability 8.0 on.
    """
    return int(os.environ.get("CUPY_TF32", "0")) > 0 and int(xp.cuda.Device().compute_capability) >= 80


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
