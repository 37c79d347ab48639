"""The geometries that every windowed operation is tried on, and random ones for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

Padding = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Window:
    """A window that slides over a batch of pictures; `padding` is ((top, bottom), (left, right))."""

    name: str
    x_shape: tuple[int, int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = ((0, 0), (0, 0))

    def __str__(self) -> str:
        return self.name

    @property
    def geometry(self) -> tuple[tuple[int, int], tuple[int, int], Padding]:
        """Kernel, stride and padding, in the order in which the operations take them."""
        return self.kernel, self.stride, self.padding


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

POOLING_WINDOWS = [
    window
    for window in WINDOWS
    if all(max(pads) < length for pads, length in zip(window.padding, window.kernel, strict=True))
]


@st.composite
def windows(draw: st.DrawFn, pooling: bool = False) -> Window:
    """Draw any window that fits; for pooling with less padding than the window has pixels."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(
        draw(st.tuples(st.integers(0, largest), st.integers(0, largest)))
        for largest in (min(3, length - 1) if pooling else 3 for length in kernel)
    )
    height, width = (
        draw(st.integers(max(1, length - sum(pads)), 11)) for length, pads in zip(kernel, padding, strict=True)
    )
    x_shape = (draw(st.integers(1, 3)), height, width, draw(st.integers(1, 5)))
    return Window("drawn", x_shape, kernel, stride, padding)
