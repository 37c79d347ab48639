"""The pooling layers: less picture, the same channels."""

from __future__ import annotations

from math import prod

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.base import Layer, Shape, pair_text
from minicnn.layers.conv2d import resolve_padding
from minicnn.layers.passes import keeps_for_backward
from minicnn.ops.pooling import require_pooling_padding
from minicnn.ops.windows import Padding, Pair, as_pair, output_size


class _Pool2D(Layer):
    """A window that slides over the picture.

    size: of the window, in pixels, a number or (vertical, horizontal). stride: pixels a step, the size if left out.
    padding: as for Conv2D. Input (N, H, W, C), output (N, OH, OW, C).
    """

    kind = "pool"

    def __init__(
        self, size: int | Pair, stride: int | Pair | None = None, padding: str | int | Padding = "valid"
    ) -> None:
        self.size = as_pair(size, "size")
        self.stride = self.size if stride is None else as_pair(stride, "stride")
        self.padding_setting = padding
        self.padding: tuple[Pair, Pair] = ((0, 0), (0, 0))  # in pixels, once the input's size is known

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        h, w, c = input_shape
        self.padding = resolve_padding(self.padding_setting, (h, w), self.size, self.stride)
        require_pooling_padding(self.size, self.padding)
        return (*output_size((h, w), self.size, self.stride, self.padding), c)

    def describe(self) -> str:
        padding = "" if self.padding_setting == "valid" else f", padding={self.padding_setting!r}"
        return f"{self.size[0]}×{self.size[1]}, stride={pair_text(self.stride)}{padding}"


class MaxPool2D(_Pool2D):
    """Keep the largest value of each window; padding counts as −∞.

    size, stride: pixels, a number or (vertical, horizontal); stride is the size if left out. padding: as for Conv2D.
    Input (N, H, W, C), output (N, OH, OW, C). Source: document 004 §4.1.3.
    """

    argmax: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, C)."""
        self.require_built()
        indices = keeps_for_backward(training)
        y, argmax = ops.max_pool2d(x, self.size, self.stride, self.padding, indices)
        self.keep(training, argmax=argmax)
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, C). Returns dx (N, H, W, C), or None."""
        argmax = self.take("argmax")
        if not input_gradient:
            return None
        x_shape = (dy.shape[0], *self.input_shape)  # type: ignore[misc]
        return ops.max_pool2d_backward(dy, argmax, x_shape, self.size, self.stride, self.padding)

    def operations(self) -> int:
        """Return KH·KW − 1 comparisons for every output."""
        return (prod(self.size) - 1) * self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        picture = (7, 6, 2)
        return [
            (cls(2), picture),
            (cls(3, stride=2), picture),  # windows overlap: one pixel may be the largest of several
            (cls((2, 3), stride=1, padding=1), picture),
        ]


class AvgPool2D(_Pool2D):
    """Average each window; padding counts as zeros.

    size, stride: pixels, a number or (vertical, horizontal); stride is the size if left out. padding: as for Conv2D.
    Input (N, H, W, C), output (N, OH, OW, C).
    """

    x_shape: tuple[int, ...] | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, C)."""
        self.require_built()
        self.keep(training, x_shape=tuple(x.shape))
        return ops.avg_pool2d(x, self.size, self.stride, self.padding)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, C). Returns dx (N, H, W, C), or None."""
        x_shape = self.take("x_shape")
        return ops.avg_pool2d_backward(dy, x_shape, self.size, self.stride, self.padding) if input_gradient else None

    def operations(self) -> int:
        """Return KH·KW for every output: as many sums less one, and a division."""
        return prod(self.size) * self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(2), (7, 6, 2)), (cls(3, stride=2, padding=1), (7, 6, 2))]


class GlobalAvgPool2D(Layer):
    """Average each channel over the whole picture, of whatever size.

    Input (N, H, W, C), output (N, C). Source: Lin, Chen & Yan 2014, "Network in network", §3.2.
    """

    kind = "pool"
    x_shape: tuple[int, ...] | None = None

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        return input_shape[2:]

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, C)."""
        self.keep(training, x_shape=tuple(x.shape))
        return ops.global_avg_pool2d(x)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, C). Returns dx (N, H, W, C), or None."""
        x_shape = self.take("x_shape")
        return ops.global_avg_pool2d_backward(dy, x_shape) if input_gradient else None

    def operations(self) -> int:
        """Return H·W for every output: as many sums less one, and a division."""
        return prod(self.input_shape or ())

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (7, 6, 2))]
