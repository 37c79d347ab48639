"""The geometries that every windowed operation is tried on, and random ones for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Padding = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Window:
    """A window that slides over a batch of pictures; `padding` is ((top, bottom), (left, right)).

    What only a convolution has: its filters, groups and dilation.
    """

    name: str
    x_shape: tuple[int, int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    filters: int = 4
    groups: int = 1
    dilation: tuple[int, int] = (1, 1)

    def __str__(self) -> str:
        return self.name

    @property
    def geometry(self) -> tuple[tuple[int, int], tuple[int, int], Padding]:
        """Kernel, stride and padding, in the order in which the operations take them."""
        return self.kernel, self.stride, self.padding

    @property
    def columns(self) -> tuple[tuple[int, int], tuple[int, int], Padding, tuple[int, int]]:
        """What im2col and col2im take: the geometry and the dilation."""
        return *self.geometry, self.dilation

    @property
    def convolution(self) -> dict[str, Any]:
        """What a convolution takes besides its arrays, by name."""
        return {
            "stride": self.stride, "padding": self.padding, "groups": self.groups, "dilation": self.dilation
        }  # fmt: skip

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(KH, KW, C/groups, F)."""
        return (*self.kernel, self.x_shape[3] // self.groups, self.filters)


def all_round(pixels: int) -> Padding:
    """Return the same padding on every side."""
    return (pixels, pixels), (pixels, pixels)


WINDOWS = [
    Window("3x3", (2, 7, 8, 3), (3, 3)),
    Window("3x3 padded", (2, 6, 7, 4), (3, 3), padding=all_round(1)),
    Window("3x3 wide", (1, 10, 11, 33), (3, 3)),
    Window("batch 1, one channel", (1, 5, 5, 1), (3, 3)),
    Window("1x1", (2, 4, 5, 6), (1, 1)),
    Window("1x1 strided", (2, 5, 5, 3), (1, 1), (2, 2)),
    Window("2x2 pooling", (2, 7, 6, 5), (2, 2), (2, 2)),
    Window("3x3 overlapping pooling", (2, 8, 9, 4), (3, 3), (2, 2)),
    Window("even kernel", (2, 6, 5, 3), (4, 2)),
    Window("same, even kernel", (1, 5, 6, 2), (2, 2), padding=((0, 1), (0, 1))),
    Window("oblong", (2, 9, 4, 2), (5, 2), (3, 1), padding=((2, 2), (1, 1))),
    Window("asymmetric padding", (2, 5, 6, 3), (3, 4), (2, 1), padding=((0, 2), (3, 1))),
    Window("5x5 same", (2, 6, 7, 3), (5, 5), padding=all_round(2)),
    Window("7x7 strided", (1, 11, 12, 3), (7, 7), (2, 2), padding=all_round(3)),
    Window("kernel as large as the picture", (2, 4, 5, 3), (4, 5)),
    Window("kernel larger than half the picture", (1, 5, 5, 2), (4, 4), padding=all_round(1)),
    Window("kernel larger than the picture", (1, 2, 3, 2), (4, 4), padding=all_round(2)),
    Window("stride beyond the kernel", (2, 8, 9, 2), (2, 2), (3, 4)),
    Window("pixels left over", (1, 8, 8, 2), (3, 3), (4, 3)),
]

CONVOLUTIONS = [
    *WINDOWS,
    Window("dilated", (2, 9, 8, 3), (3, 3), dilation=(2, 2)),
    Window("dilated, same", (2, 7, 8, 2), (3, 3), padding=all_round(2), dilation=(2, 2)),
    Window("dilated, oblong", (1, 9, 10, 2), (2, 4), padding=((1, 2), (0, 3)), dilation=(5, 2)),
    Window("dilated and strided", (2, 11, 12, 2), (3, 2), (2, 3), all_round(1), dilation=(3, 2)),
    Window("dilation a multiple of the stride", (1, 13, 12, 3), (3, 3), (2, 2), all_round(3), dilation=(4, 2)),
    Window("dilated beyond the picture", (2, 4, 5, 2), (2, 3), padding=all_round(6), dilation=(7, 6)),
    Window("two groups", (2, 6, 7, 6), (3, 3), padding=all_round(1), groups=2),
    Window("groups of one filter", (1, 7, 6, 8), (3, 2), (2, 1), groups=4),
    Window("1x1 groups, dilated", (2, 5, 4, 6), (1, 1), filters=9, groups=3, dilation=(3, 2)),
    Window("groups, dilated", (1, 9, 8, 4), (3, 3), (1, 2), all_round(2), filters=6, groups=2, dilation=(2, 3)),
    Window("depthwise 3x3", (2, 7, 8, 5), (3, 3), padding=all_round(1), filters=5, groups=5),
    Window("depthwise 3x3 strided", (2, 9, 8, 19), (3, 3), (2, 2), all_round(1), filters=19, groups=19),
    Window("depthwise 5x5 wide", (1, 8, 37, 40), (5, 5), padding=all_round(2), filters=40, groups=40),
    Window("depthwise 5x5 strided", (2, 11, 10, 16), (5, 5), (2, 2), ((1, 2), (2, 1)), filters=16, groups=16),
    Window("depthwise dilated", (1, 10, 9, 3), (3, 3), padding=all_round(2), filters=3, groups=3, dilation=(2, 3)),
    Window("depthwise, dilated and strided", (2, 12, 11, 4), (3, 4), (2, 3), all_round(2), 4, 4, (3, 2)),
    Window("depthwise, stride beyond the kernel", (2, 8, 9, 2), (2, 2), (3, 4), filters=2, groups=2),
    Window("depthwise, kernel larger than the picture", (2, 2, 3, 4), (4, 4), padding=all_round(2), groups=4),
    Window("depthwise, three filters a channel", (2, 6, 5, 3), (3, 3), (2, 1), all_round(1), filters=9, groups=3),
]

POOLING_WINDOWS = [
    window
    for window in WINDOWS
    if all(max(pads) < length for pads, length in zip(window.padding, window.kernel, strict=True))
]


@st.composite
def pooling_windows(draw: st.DrawFn) -> Window:
    """Draw any window that fits, with less padding than it has pixels."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(
        draw(st.tuples(st.integers(0, largest), st.integers(0, largest)))
        for largest in (min(3, length - 1) for length in kernel)
    )
    height, width = (
        draw(st.integers(max(1, length - sum(pads)), 11)) for length, pads in zip(kernel, padding, strict=True)
    )
    x_shape = (draw(st.integers(1, 3)), height, width, draw(st.integers(1, 5)))
    return Window("drawn", x_shape, kernel, stride, padding)


@st.composite
def convolutions(draw: st.DrawFn) -> Window:
    """Draw any convolution that fits, of which half are depthwise."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2))
    height, width = (
        draw(st.integers(max(1, (length - 1) * apart + 1 - sum(pads)), (length - 1) * apart + 8))
        for length, apart, pads in zip(kernel, dilation, padding, strict=True)
    )
    groups, channels, filters = draw(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)))
    if draw(st.booleans()):
        groups, channels = draw(st.integers(1, 40)), 1
    x_shape = (draw(st.integers(1, 3)), height, width, groups * channels)
    return Window("drawn", x_shape, kernel, stride, padding, groups * filters, groups, dilation)
