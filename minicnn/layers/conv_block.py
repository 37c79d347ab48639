"""Neighbouring layers that run as one operation: convolution [+ ReLU] [+ max-pool]."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.activations import ReLU
from minicnn.layers.base import Layer
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.passes import Absent, keeps_for_backward
from minicnn.layers.plan import FusedStep, Part
from minicnn.layers.pooling import MaxPool2D
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling


class ConvBlock(FusedStep):
    """A convolution, its ReLU and its max-pool as one `ops.conv_block`.

    What backward needs stands on the layers: the convolution's x, and the last layer's output y and arg max.
    """

    pattern = (Part(Conv2D), Part(ReLU, optional=True), Part(MaxPool2D, optional=True))
    why = "one conv_block: the convolution's output is never written to memory"

    def __init__(self, conv: Conv2D, relu: ReLU | None, pool: MaxPool2D | None) -> None:
        super().__init__(conv, relu, pool)
        self.conv, self.relu, self.pool = conv, relu, pool
        self.last: Layer = self.layers[-1]

    @classmethod
    def suits(cls, *parts: Layer | None) -> bool:
        """Return whether the convolution is an ordinary one, neither grouped nor dilated."""
        conv = parts[0]
        return isinstance(conv, Conv2D) and conv.groups == 1 and conv.dilation == (1, 1)

    def settings(self) -> tuple[Convolution, Epilogue]:
        """Return the operation's settings: the convolution's, and what stands behind it."""
        return self.conv.convolution, Epilogue(self.relu is not None, pooling_of(self.pool))

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, F)."""
        weight, bias, keeps = self.conv.weight.value, self.conv.bias, keeps_for_backward(training)
        y, argmax = ops.conv_block(
            x, weight, None if bias is None else bias.value, *self.settings(), indices=keeps
        )  # fmt: skip
        if keeps:
            self.conv.keep(training, x=x)
            self.last.keep(training, y=y)
            if self.pool is not None:
                self.pool.keep(training, argmax=argmax)
                if self.relu is not None:
                    self.relu.keep(training, y=Absent(_UNWRITTEN))
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, OH, OW, F). Returns dx (N, H, W, C), or None."""
        conv = self.conv
        x, y = conv.take("x"), self.last.take("y")
        argmax = None if self.pool is None else self.pool.take("argmax")
        dx, dweight, dbias = ops.conv_block_backward(
            dy, x, conv.weight.value, y, argmax, *self.settings(), input_gradient
        )
        conv.weight.accumulate(dweight, own=True)
        if conv.bias is not None:
            conv.bias.accumulate(dbias, own=True)
        return dx


def pooling_of(pool: MaxPool2D | None) -> Pooling | None:
    """Return a layer's settings as an operation takes them."""
    return None if pool is None else Pooling(pool.size, pool.stride, pool.padding)


_UNWRITTEN = (
    "convolution, ReLU and max-pool ran as one, which never writes this output; "
    'use_kernels("reference") or Sequential(…, fuse=False) runs each layer by itself'
)
