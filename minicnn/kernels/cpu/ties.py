"""Equal maxima: of several places of a pooling window that see the same picture, the first is the maximum.

As in a white sky, their z are equal, but a fast product rounds each place in its own way, and the largest would be a
matter of chance. So equality is asked of the numbers that z was made from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.kernels.cpu.compiling import inlined, inner
from minicnn.kernels.cpu.strips import Block, pools_2x2


class Windows(NamedTuple):
    """Where the convolution's windows under a strip lie in flat memory: that of z[i, j] begins at i·down + j·across.

    It is `runs` runs of `length` numbers, `apart` from each other.
    """

    down: int
    across: int
    runs: int
    length: int
    apart: int


def windows_in(block: Block, row: int) -> Windows:
    """Return where the windows lie in the padded input under a strip, whose rows are of `row` numbers each."""
    across, length = block.stride_w * block.channels, block.kernel_w * block.channels
    return Windows(block.stride_h * row, across, block.kernel_h, length, row)


@inner
def choose_first_of_same(numbers, windows, z_from, block, y_from, y_to, argmax):
    """Move each arg max to the first place of its pooling window at which z is made from the same numbers.

    numbers: flat, what the strip of z from row z_from on was made of, as `windows` says. argmax: (YH, YW, F) of one
    picture, changed in rows y_from…y_to−1.
    """
    starts = np.empty(block.pool_h * block.pool_w, np.int64)  # of the convolution's windows; below 0 outside z
    first = np.arange(starts.size)  # the first place with the same numbers
    two_by_two = pools_2x2(block)
    for i in range(y_from, y_to):
        for j in range(block.y_width):
            if two_by_two and _begin_differently(numbers, windows, 2 * i - z_from, 2 * j):
                continue
            _place_windows(windows, z_from, block, i, j, starts)
            repeated = False
            for place in range(1, starts.size):
                first[place] = place
                for earlier in range(place):
                    if _same(numbers, starts[earlier], starts[place], windows):
                        first[place], repeated = earlier, True
                        break
            if repeated:
                where = argmax[i, j]
                for f in range(where.size):
                    where[f] = first[where[f]]


@inner
def _begin_differently(numbers, windows, row, column):
    """Return whether the windows of 2×2 pixels of z begin with four numbers: in a photograph they nearly always do."""
    start, across = np.uint64(row * windows.down + column * windows.across), np.uint64(windows.across)
    below = start + np.uint64(windows.down)
    a, b, c, d = numbers[start], numbers[start + across], numbers[below], numbers[below + across]
    return (a != b) & (a != c) & (a != d) & (b != c) & (b != d) & (c != d)


@inner
def _place_windows(windows, z_from, block, i, j, starts):
    """Fill `starts` with where the convolution's windows begin that pooling window (i, j) covers."""
    top, left = i * block.pool_stride_h - block.pool_top, j * block.pool_stride_w - block.pool_left
    place = 0
    for row in range(top, top + block.pool_h):
        for column in range(left, left + block.pool_w):
            inside = 0 <= row < block.z_height and 0 <= column < block.z_width
            starts[place] = (row - z_from) * windows.down + column * windows.across if inside else -1
            place += 1


@inlined
def _same(numbers, one_start, other_start, windows):
    """Return whether the windows that begin at two places hold the same numbers."""
    if one_start < 0 or other_start < 0:
        return False
    for run in range(windows.runs):
        # Unsigned, they cannot be negative, which saves asking.
        one, other = np.uint64(one_start + run * windows.apart), np.uint64(other_start + run * windows.apart)
        for e in range(np.uint64(windows.length)):
            if numbers[one + e] != numbers[other + e]:
                return False
    return True
