"""Batch norm in inference: folded into the convolution before it, as a factor and a summand for each filter.

With given statistics, batch norm is y = z · scale + shift, scale = weight/√(variance + ε), shift = bias − mean · scale:
a convolution with its bias does that on the way, and the batch norm takes no pass over memory at all.
Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", §3.2, which folds it into the weights; here it stays beside them, so that they are not written anew.
"""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array, array_module
from minicnn.layers.activations import ReLU, ReLU6
from minicnn.layers.base import Layer
from minicnn.layers.batch_norm import BatchNorm2D
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.conv_block import ConvBlock, pooling_of
from minicnn.layers.norm_block import shortcut_plans
from minicnn.layers.plan import FusedStep, Part, Plan, make_plan, run_forward
from minicnn.layers.pooling import MaxPool2D
from minicnn.layers.residual import Residual
from minicnn.layers.sequential import Sequential
from minicnn.ops.conv_block import Epilogue


class FoldedBlock(FusedStep):
    """A convolution with its batch norm, ReLU or ReLU6, and max-pool as one `ops.conv_block`."""

    pattern = (Part(Conv2D), Part(BatchNorm2D), Part((ReLU, ReLU6), optional=True), Part(MaxPool2D, optional=True))
    passes = ("inference",)
    why = "one conv_block: the batch norm is folded into the convolution"

    def __init__(self, conv: Conv2D, norm: BatchNorm2D, relu: ReLU | ReLU6 | None, pool: MaxPool2D | None) -> None:
        super().__init__(conv, norm, relu, pool)
        self.conv, self.norm, self.relu, self.pool = conv, norm, relu, pool

    @classmethod
    def suits(cls, *parts: Layer | None) -> bool:
        """Return whether the convolution is an ordinary one, neither grouped nor dilated, or a depthwise one."""
        conv, _, _, pool = parts
        assert isinstance(conv, Conv2D) and conv.input_shape is not None
        return ConvBlock.suits(conv) or (conv.groups == conv.input_shape[2] and pool is None)

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y (N, OH, OW, F)."""
        epilogue = Epilogue(type(self.relu) is ReLU, pooling_of(self.pool), type(self.relu) is ReLU6)
        return _convolve(self.conv, self.norm, epilogue, x, None)


class FoldedResidual(FusedStep):
    """A residual connection whose body ends in a convolution and its batch norm, and the ReLU behind it."""

    pattern = (Part(Residual), Part(ReLU))
    passes = ("inference",)
    why = "the body's last batch norm, the addition and ReLU are done by its last convolution"

    def __init__(self, residual: Residual, relu: ReLU) -> None:
        super().__init__(residual, relu)
        self.residual = residual
        *before, self.conv, self.norm = residual.body.layers  # type: ignore[attr-defined]
        self.body = make_plan(before, "inference")

    @classmethod
    def suits(cls, *parts: Layer | None) -> bool:
        """Return whether the body is a Sequential that ends in an ordinary convolution and a batch norm."""
        body = parts[0].body  # type: ignore[union-attr]
        if type(body) is not Sequential or not body.fuse or len(body.layers) < 2:
            return False
        conv, norm = body.layers[-2:]
        return type(conv) is Conv2D and type(norm) is BatchNorm2D and ConvBlock.suits(conv)

    def inner_plans(self) -> dict[str, Plan]:
        """Return the plan of the body, but for its last convolution, and that of the shortcut."""
        return {"body": self.body, **shortcut_plans(self.residual, "inference")}

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y, of the body's output shape."""
        shortcut = self.residual.shortcut
        summand = x if shortcut is None else shortcut.forward(x)
        return _convolve(self.conv, self.norm, Epilogue(relu=True), run_forward(self.body, x, training), summand)


def _convolve(conv: Conv2D, norm: BatchNorm2D, epilogue: Epilogue, x: Array, residual: Array | None) -> Array:
    xp = array_module(norm.weight.value)
    scale = norm.weight.value / xp.sqrt(norm.running_var.value + norm.epsilon)
    shift = norm.bias.value - norm.running_mean.value * scale
    if conv.bias is not None:
        shift = shift + conv.bias.value * scale
    return ops.conv_block(x, conv.weight.value, shift, conv.convolution, epilogue, scale, residual, indices=False)[0]
