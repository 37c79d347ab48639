"""How the window of a convolution or a pool slides: which pixels are under it, and which windows are on a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.inspection.terms.parts import Named
from minicnn.ops.windows import Pair, output_size, pad_amounts, spread


class Window(NamedTuple):
    """The geometry of a call: the window, its steps, and the padding at the top and the left, in pixels."""

    kernel: Pair
    stride: Pair
    corner: Pair
    dilation: Pair

    def pixels(self, i: Any, j: Any, ky: Any, kx: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and the column of the picture that element (ky, kx) of window (i, j) lies on."""
        rows = np.asarray(i) * self.stride[0] + np.asarray(ky) * self.dilation[0] - self.corner[0]
        columns = np.asarray(j) * self.stride[1] + np.asarray(kx) * self.dilation[1] - self.corner[1]
        return rows, columns

    def elements(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ky and kx of every element of the window, read row by row."""
        ky, kx = np.indices(self.kernel).reshape(2, -1)
        return ky, kx

    def windows_on(self, y: int, x: int, outputs: Pair) -> tuple[np.ndarray, ...]:
        """Return i, j, ky and kx of all windows, and their elements, that lie on the pixel (y, x)."""
        ky, kx = self.elements()
        down = y + self.corner[0] - ky * self.dilation[0]
        right = x + self.corner[1] - kx * self.dilation[1]
        i, j = down // self.stride[0], right // self.stride[1]
        fits = (down % self.stride[0] == 0) & (right % self.stride[1] == 0)
        fits &= (i >= 0) & (i < outputs[0]) & (j >= 0) & (j < outputs[1])
        return i[fits], j[fits], ky[fits], kx[fits]


def window_of(arguments: Named, kernel: Pair) -> Window:
    """Return the window of a call with these arguments."""
    (top, _), (left, _) = pad_amounts(arguments["padding"])
    return Window(kernel, arguments["stride"], (top, left), arguments.get("dilation", (1, 1)))


def inside(rows: np.ndarray, columns: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return which of the pixels lie in the picture, and not in the padding."""
    return (rows >= 0) & (rows < shape[1]) & (columns >= 0) & (columns < shape[2])


def padding_note(covered: np.ndarray, what: str = "the window's elements") -> str:
    """Return what to say of elements of which only some are `covered` by the picture."""
    left_out = int(covered.size - covered.sum())
    return f"{left_out} of {covered.size} of {what} lie in the padding, and count as 0" if left_out else ""


def outputs_of(arguments: Named, x_shape: Sequence[int], kernel: Pair) -> Pair:
    """Return how many places the window has on a picture of x's shape, vertically and horizontally."""
    reach = spread(kernel, arguments.get("dilation", (1, 1)))
    return output_size((x_shape[1], x_shape[2]), reach, arguments["stride"], arguments["padding"])
