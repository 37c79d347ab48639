"""Which algorithm convolves a block: the choice by shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from minicnn.errors import UsageError
from minicnn.kernels.cpu import few_windows, taps, tiled, winograd
from minicnn.kernels.cpu.strips import Block

ALGORITHMS = {"tiled": tiled, "winograd": winograd, "taps": taps, "few windows": few_windows}
TILE_COST, FILTERS_COST = 55, 1500
FEW_WINDOWS, LARGE_TAP = 512, 256 * 256
LANES = 16  # filters or channels that a thread should have at the least: a vector register or two of them
SMALLEST_TAP = 64 * 64  # channels times filters: smaller products are not worth a call each

_forced: str | None = None


def choose_algorithm(
    block: Block, x_shape: tuple[int, ...], dtype: np.dtype, threads: int, backward: bool = False
) -> ModuleType:
    """Return the module that suits the block and pictures of x's shape (N, H, W, C) for so many threads.

    `schedule` runs the steps of tiled and winograd; the others have a `forward`, and taps a `backward`, of their own.
    backward: whether it is for the gradients. Raises UsageError where one is forced that cannot do it.
    """
    images = x_shape[0]
    if _forced == "winograd" and not winograd.supports(block, dtype):
        raise UsageError("winograd convolves float32 with 3×3 and 5×5 kernels at stride 1 and few enough channels only")
    if _forced == "taps" and not taps.supports(block, images):
        raise UsageError("tap by tap, convolutions without pooling are for 16 pictures or more, of few pixels")
    if _forced == "few windows" and block.pooled:
        raise UsageError("few windows by many weights are convolved without pooling only")
    if _forced is not None and not (backward and _forced == "few windows"):  # which has no way back of its own
        return ALGORITHMS[_forced]
    if taps.supports(block, images) and _taps_pay(block, x_shape, dtype, threads):
        return taps
    if not (backward or block.pooled) and _windows_are_few(block, images, threads):
        return few_windows
    # With few channels the tiles' transforms cost more than the multiplications that they save.
    if winograd.supports(block, dtype) and block.channels >= 8 and _tiles_pay(block, images, threads):
        return winograd
    return tiled


def _taps_pay(block: Block, x_shape: tuple[int, ...], dtype: np.dtype, threads: int) -> bool:
    """Return whether so much of the windows lies outside of the pictures that it is worth leaving out.

    And whether there are filters and channels to share between the threads.
    """
    if min(block.channels, block.filters) < LANES * threads or block.channels * block.filters < SMALLEST_TAP:
        return False
    images, height, width, _ = x_shape
    inside = taps.places_inside(block, height, width)
    if winograd.supports(block, dtype) and images * inside > _cost_of_tiles(block, images, threads):
        return False
    return 4 * inside <= 3 * block.kernel_h * block.kernel_w * block.z_height * block.z_width


def _windows_are_few(block: Block, images: int, threads: int) -> bool:
    """Return whether weights are so many beside the windows that threads had better share the filters.

    Measured with 128 to 512 channels: beyond FEW_WINDOWS tiles are faster, and below LARGE_TAP strips as fast; so they
    are where a kernel of 1×1 has nothing to be gathered.
    """
    windows, elements = images * block.z_height * block.z_width, block.kernel_h * block.kernel_w
    many = block.channels * block.filters >= LARGE_TAP and elements > 1
    return many and windows <= FEW_WINDOWS and block.filters >= LANES * threads


def _tiles_pay(block: Block, images: int, threads: int) -> bool:
    """Return whether tiles save more multiplications than the transforms cost."""
    pixels = images * block.z_height * block.z_width
    return block.kernel_h * block.kernel_w * pixels > _cost_of_tiles(block, images, threads)


def _cost_of_tiles(block: Block, images: int, threads: int) -> int:
    """Return what Winograd's algorithm takes, in multiplications for each channel and filter.

    Measured with 64 to 512 channels: TILE_COST for a tile, which may have few pixels of a small picture in it, and
    FILTERS_COST a thread for the filters, which are then read as 36 planes.
    """
    return TILE_COST * images * winograd.tiles_of(block) + FILTERS_COST * threads


@contextmanager
def force_algorithm(name: str) -> Iterator[None]:
    """Convolve by one of ALGORITHMS whatever the shape, for tests. Raises UsageError for any other name."""
    global _forced
    if name not in ALGORITHMS:
        raise UsageError(f"unknown algorithm {name!r}: choose one of {', '.join(ALGORITHMS)}")
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before
