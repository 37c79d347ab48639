"""The convolution layer."""

from __future__ import annotations

from math import prod

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import ShapeError
from minicnn.layers.base import Layer, Shape, pair_text
from minicnn.layers.variables import Parameter
from minicnn.ops.windows import Padding, Pair, as_pair, as_whole, output_size, pad_amounts, same_padding


def resolve_padding(padding: str | int | Padding, size: Pair, kernel: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """Turn "valid", "same", a number or a pair of pixels into ((top, bottom), (left, right)).

    Raises ShapeError for anything else.
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        return same_padding(size, kernel, stride)
    if isinstance(padding, str):
        raise ShapeError(f"padding={padding!r} should be 'valid', 'same', a number of pixels, or a pair of numbers")
    return pad_amounts((padding, padding) if isinstance(padding, int) else padding)


class Conv2D(Layer):
    """Slide `filters` learnt windows over the picture: y = conv2d(x, weight) + bias.

    filters: F, the channels of the output. kernel_size, stride: pixels, a number or (vertical, horizontal).
    padding: "valid" (none), "same" (the output has ceil(input / stride) pixels), a number, (PH, PW), or
    ((top, bottom), (left, right)). initializer: of the weight (KH, KW, C, F); the bias (F,) begins at zero.
    Input (N, H, W, C), output (N, OH, OW, F). Source: document 004 §4.1.1.
    """

    kind = "conv"
    x: Array | None = None

    def __init__(
        self, filters: int, kernel_size: int | Pair, stride: int | Pair = 1, padding: str | int | Padding = "valid",
        initializer: str = "glorot_uniform",
    ) -> None:  # fmt: skip
        self.filters = as_whole(filters, "filters")
        self.kernel_size = as_pair(kernel_size, "kernel_size")
        self.stride = as_pair(stride, "stride")
        self.padding_setting = padding
        self.initializer = initializer
        self.padding: tuple[Pair, Pair] = ((0, 0), (0, 0))  # in pixels, once the input's size is known

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        h, w, c = input_shape
        self.padding = resolve_padding(self.padding_setting, (h, w), self.kernel_size, self.stride)
        self.weight = Parameter.declared((*self.kernel_size, c, self.filters), self.initializer)
        self.bias = Parameter.declared((self.filters,))
        return (*output_size((h, w), self.kernel_size, self.stride, self.padding), self.filters)

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, F)."""
        self.require_built()
        self.keep(training, x=x)
        return ops.conv2d(x, self.weight.value, self.bias.value, self.stride, self.padding)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, F). Returns dx (N, H, W, C), or None."""
        x = self.take("x")
        dx, dweight, dbias = ops.conv2d_backward(dy, x, self.weight.value, self.stride, self.padding, input_gradient)
        self.weight.accumulate(dweight, own=True)
        self.bias.accumulate(dbias, own=True)
        return dx

    def describe(self) -> str:
        kh, kw = self.kernel_size
        return f"{self.filters}, {kh}×{kw}, stride={pair_text(self.stride)}, padding={self.padding_setting!r}"

    def operations(self) -> int:
        """Return 2·KH·KW·C for every output: as many products, as many sums less one, and the bias."""
        return 2 * self._window_numbers() * self.output_numbers()

    def column_numbers(self) -> int:
        """Return the numbers of the im2col matrix: a window for every pixel of the output."""
        return self._window_numbers() * self.output_numbers() // self.filters

    def _window_numbers(self) -> int:
        """Return how many numbers of the input one output sees: KH·KW·C."""
        return prod(self.weight.shape[:-1])

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        picture = (7, 6, 2)  # taller than wide, so that rows and columns cannot be mixed up unnoticed
        return [
            (cls(3, 3), picture),
            (cls(3, 3, padding="same"), picture),
            (cls(3, (2, 3), stride=(1, 2), padding="same"), picture),  # an even kernel is padded on one side only
            (cls(3, 3, stride=2, padding=1), picture),
            (cls(3, 3, stride=3, padding=((2, 0), (0, 1))), picture),  # some pixels lie in no window
            (cls(3, 1), picture),
            (cls(3, 5, padding="same"), picture),
        ]
