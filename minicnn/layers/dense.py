"""The dense (fully connected) layer."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import ShapeError
from minicnn.layers.base import Layer, Shape, shape_text
from minicnn.layers.initializers import require_initializer
from minicnn.layers.variables import Parameter
from minicnn.ops.windows import as_whole


class Dense(Layer):
    """Connect every input with every output: y = x·weight + bias.

    units: U, how many outputs. inputs: D, how many inputs are expected; left out, it is taken from the layer before.
    initializer: of the weight (D, U); the bias (U,) begins at zero. Input (N, D), output (N, U).
    Source: document 004 §4.1.4.
    """

    kind = "dense"
    x: Array | None = None

    def __init__(self, units: int, inputs: int | None = None, initializer: str = "glorot_uniform") -> None:
        self.units = as_whole(units, "units")
        self.inputs = inputs
        require_initializer(initializer)
        self.initializer = initializer

    def resolve(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ShapeError(
                f"Dense reads a row of numbers, but gets a picture {shape_text(input_shape)}: put Flatten() before it"
            )
        if self.inputs is not None and self.inputs != input_shape[0]:
            raise ShapeError(
                f"Dense was told inputs={self.inputs}, but gets {input_shape[0]} numbers: "
                f"use inputs={input_shape[0]}, or leave inputs out"
            )
        self.weight = Parameter.declared((input_shape[0], self.units), self.initializer)
        self.bias = Parameter.declared((self.units,))
        return (self.units,)

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, D). Returns y (N, U)."""
        self.require_built()
        self.keep(training, x=x)
        return ops.dense(x, self.weight.value, self.bias.value)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, U). Returns dx (N, D), or None."""
        x = self.take("x")
        dx, dweight, dbias = ops.dense_backward(dy, x, self.weight.value, input_gradient)
        self.weight.accumulate(dweight, own=True)
        self.bias.accumulate(dbias, own=True)
        return dx

    def describe(self) -> str:
        return str(self.units)

    def operations(self) -> int:
        """Return 2·D for every output: D products, as many sums less one, and the bias."""
        return 2 * self.weight.shape[0] * self.units

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(4), (5,))]
