"""Which algorithm convolves a block: the choice by shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from minicnn.errors import UsageError
from minicnn.kernels.cpu import tiled, winograd
from minicnn.kernels.cpu.strips import Block

ALGORITHMS = {"tiled": tiled, "winograd": winograd}

_forced: str | None = None


def choose_algorithm(block: Block, images: int, dtype: np.dtype) -> ModuleType:
    """Return the module whose steps, which `schedule` runs, suit the block and so many pictures."""
    if _forced == "winograd" and not winograd.supports(block, dtype):
        raise UsageError("winograd convolves float32 with 3×3 and 5×5 kernels at stride 1 and few enough channels only")
    if _forced is not None:
        return ALGORITHMS[_forced]
    # With few channels the tiles' transforms cost more than the multiplications that they save, and with few tiles the
    # filters' transform does.
    if winograd.supports(block, dtype) and block.channels >= 8 and images * winograd.tiles_of(block) >= 24:
        return winograd
    return tiled


@contextmanager
def force_algorithm(name: str) -> Iterator[None]:
    """Convolve by "tiled" or "winograd" whatever the shape, for tests. Raises UsageError for any other name."""
    global _forced
    if name not in ALGORITHMS:
        raise UsageError(f"unknown algorithm {name!r}: choose one of {', '.join(ALGORITHMS)}")
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before
