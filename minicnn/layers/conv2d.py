"""The convolution layer."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import ShapeError
from minicnn.layers.base import Layer, Parameter, Shape, pair_text
from minicnn.layers.initializers import initialize
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
        self.x: Array | None = None

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        h, w, _ = input_shape
        self.padding = resolve_padding(self.padding_setting, (h, w), self.kernel_size, self.stride)
        return (*output_size((h, w), self.kernel_size, self.stride, self.padding), self.filters)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        assert self.input_shape is not None
        return {"weight": (*self.kernel_size, self.input_shape[2], self.filters), "bias": (self.filters,)}

    def make_parameters(self, rng: np.random.Generator, dtype: str) -> None:
        shapes = self.parameter_shapes()
        self.weight = Parameter(initialize(self.initializer, shapes["weight"], rng, dtype))
        self.bias = Parameter(initialize("zeros", shapes["bias"], rng, dtype))

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, F)."""
        self.require_built()
        self.x = x
        return ops.conv2d(x, self.weight.value, self.bias.value, self.stride, self.padding)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, F). Returns dx (N, H, W, C), or None."""
        x = self.take("x")
        dx, dweight, dbias = ops.conv2d_backward(dy, x, self.weight.value, self.stride, self.padding, input_gradient)
        self.weight.accumulate(dweight)
        self.bias.accumulate(dbias)
        return dx

    def describe(self) -> str:
        kh, kw = self.kernel_size
        return f"{self.filters}, {kh}×{kw}, stride={pair_text(self.stride)}, padding={self.padding_setting!r}"
