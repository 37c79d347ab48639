"""Neighbouring layers that run as one operation: convolution [+ ReLU] [+ max-pool]."""

from __future__ import annotations

from collections.abc import Sequence

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.activations import ReLU
from minicnn.layers.base import Layer
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.pooling import MaxPool2D
from minicnn.ops.windows import Padding, Pair


class ConvBlock(Layer):
    """Run a convolution and the ReLU and max-pool behind it as one `ops.conv_block`.

    The layers and their parameters stay what they are; the block only borrows their settings. Backward needs the
    block's own input, output and arg max, never the convolution's output.
    """

    def __init__(self, conv: Conv2D, relu: ReLU | None, pool: MaxPool2D | None) -> None:
        self.conv, self.relu, self.pool = conv, relu, pool
        self.name = "+".join(layer.name for layer in (conv, relu, pool) if layer is not None)
        self.x: Array | None = None
        self.y: Array | None = None
        self.argmax: Array | None = None

    def settings(self) -> tuple[Pair, Padding, bool, Pair | None, Pair, Padding]:
        """Return the operation's settings: the convolution's stride and padding, ReLU or not, and the pool's."""
        convolution = self.conv.stride, self.conv.padding, self.relu is not None
        if self.pool is None:
            return *convolution, None, (1, 1), (0, 0)
        return *convolution, self.pool.size, self.pool.stride, self.pool.padding

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, F)."""
        self.x = x
        self.y, self.argmax = ops.conv_block(x, self.conv.weight.value, self.conv.bias.value, *self.settings())
        return self.y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, F). Returns dx (N, H, W, C), or None."""
        x, y, argmax = self.take("x"), self.take("y"), self.argmax
        self.argmax = None
        dx, dweight, dbias = ops.conv_block_backward(
            dy, x, self.conv.weight.value, y, argmax, *self.settings(), input_gradient
        )
        self.conv.weight.accumulate(dweight)
        self.conv.bias.accumulate(dbias)
        return dx


def fuse(layers: Sequence[Layer]) -> list[Layer]:
    """Return `layers` with every run of Conv2D [ReLU] [MaxPool2D] of at least two replaced by a ConvBlock."""
    steps: list[Layer] = []
    index = 0
    while index < len(layers):
        conv, following = layers[index], list(layers[index + 1 : index + 3])
        index += 1
        if type(conv) is not Conv2D:
            steps.append(conv)
            continue
        relu = following.pop(0) if following and type(following[0]) is ReLU else None
        pool = following[0] if following and type(following[0]) is MaxPool2D else None
        index += (relu is not None) + (pool is not None)
        steps.append(conv if relu is pool is None else ConvBlock(conv, relu, pool))  # type: ignore[arg-type]
    return steps
