"""The convolution layer."""

from __future__ import annotations

from math import prod

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import ShapeError
from minicnn.layers.base import Layer, Shape, pair_text
from minicnn.layers.initializers import require_initializer
from minicnn.layers.variables import Parameter
from minicnn.ops.conv_block import Convolution
from minicnn.ops.windows import Padding, Pair, as_pair, as_whole, output_size, pad_amounts, same_padding, spread


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
    ((top, bottom), (left, right)). initializer: of the weight (KH, KW, C/groups, F); the bias (F,) begins at zero.
    groups: how many convolutions side by side, each of its own C/groups channels to F/groups filters; with as many as
    there are channels it is depthwise. dilation: pixels from one element of a window to the next. bias: False leaves it
    out, as before a batch norm, which would take it off again.
    Input (N, H, W, C), output (N, OH, OW, F). Source: document 004 §4.1.1; Krizhevsky et al. 2012 §3.5 for groups;
    Yu & Koltun 2016 §2 for dilation.
    """

    kind = "conv"
    x: Array | None = None

    def __init__(
        self, filters: int, kernel_size: int | Pair, stride: int | Pair = 1, padding: str | int | Padding = "valid",
        initializer: str = "glorot_uniform", groups: int = 1, dilation: int | Pair = 1, bias: bool = True,
    ) -> None:  # fmt: skip
        self.filters = as_whole(filters, "filters")
        self.kernel_size = as_pair(kernel_size, "kernel_size")
        self.stride = as_pair(stride, "stride")
        self.padding_setting = padding
        require_initializer(initializer)
        self.initializer = initializer
        self.groups = as_whole(groups, "groups")
        self.dilation = as_pair(dilation, "dilation")
        self.with_bias = bias
        self.padding: tuple[Pair, Pair] = ((0, 0), (0, 0))  # in pixels, once the input's size is known

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        h, w, c = input_shape
        if c % self.groups or self.filters % self.groups:
            raise ShapeError(
                f"groups={self.groups} should divide both the {c} channels that Conv2D gets and its {self.filters} "
                "filters: each group has its own share of both"
            )
        window = spread(self.kernel_size, self.dilation)
        self.padding = resolve_padding(self.padding_setting, (h, w), window, self.stride)
        shape = (*self.kernel_size, c // self.groups, self.filters)
        self.weight = Parameter.declared(shape, self.initializer, self.groups)
        self.bias = Parameter.declared((self.filters,)) if self.with_bias else None
        self.convolution = Convolution(self.stride, self.padding, self.groups, self.dilation)
        return (*output_size((h, w), window, self.stride, self.padding), self.filters)

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, F)."""
        self.require_built()
        self.keep(training, x=x)
        return ops.conv2d(x, self.weight.value, self.bias and self.bias.value, *self.convolution)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, F). Returns dx (N, H, W, C), or None."""
        x = self.take("x")
        dx, dweight, dbias = ops.conv2d_backward(
            dy, x, self.weight.value, self.stride, self.padding, input_gradient, self.groups, self.dilation
        )
        self.weight.accumulate(dweight, own=True)
        if self.bias is not None:
            self.bias.accumulate(dbias, own=True)
        return dx

    def describe(self) -> str:
        kh, kw = self.kernel_size
        text = f"{self.filters}, {kh}×{kw}, stride={pair_text(self.stride)}, padding={self.padding_setting!r}"
        text += f", groups={self.groups}" if self.groups > 1 else ""
        text += f", dilation={pair_text(self.dilation)}" if self.dilation != (1, 1) else ""
        return text if self.with_bias else f"{text}, bias=False"

    def operations(self) -> int:
        """Return 2·KH·KW·C/groups for every output: as many products, as many sums less one, and the bias."""
        return (2 * self._window_numbers() - (0 if self.with_bias else 1)) * self.output_numbers()

    def column_numbers(self) -> int:
        """Return the numbers of the im2col matrix: a window for every pixel of the output; a group's at a time."""
        return self._window_numbers() * self.output_numbers() // self.filters

    def _window_numbers(self) -> int:
        """Return how many numbers of the input one output sees: KH·KW·C/groups."""
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
            (cls(4, 3, padding=1, groups=2), picture),
            (cls(2, 3, stride=2, padding="same", groups=2), picture),  # depthwise
            (cls(3, (2, 3), dilation=(3, 2), padding="same", bias=False), picture),
        ]
