"""The dense (fully connected) layer."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import ShapeError
from minicnn.layers.base import Layer, Parameter, Shape, shape_text
from minicnn.layers.initializers import initialize
from minicnn.ops.windows import as_whole


class Dense(Layer):
    """Connect every input with every output: y = x·weight + bias.

    units: U, how many outputs. inputs: D, how many inputs are expected; left out, it is taken from the layer before.
    initializer: of the weight (D, U); the bias (U,) begins at zero. Input (N, D), output (N, U).
    Source: document 004 §4.1.4.
    """

    kind = "dense"

    def __init__(self, units: int, inputs: int | None = None, initializer: str = "glorot_uniform") -> None:
        self.units = as_whole(units, "units")
        self.inputs = inputs
        self.initializer = initializer
        self.x: Array | None = None

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
        return (self.units,)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        assert self.input_shape is not None
        return {"weight": (self.input_shape[0], self.units), "bias": (self.units,)}

    def make_parameters(self, rng: np.random.Generator, dtype: str) -> None:
        shapes = self.parameter_shapes()
        self.weight = Parameter(initialize(self.initializer, shapes["weight"], rng, dtype))
        self.bias = Parameter(initialize("zeros", shapes["bias"], rng, dtype))

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, D). Returns y (N, U)."""
        self.require_built()
        self.x = x
        return ops.dense(x, self.weight.value, self.bias.value)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, U). Returns dx (N, D), or None."""
        x = self.take("x")
        dx, dweight, dbias = ops.dense_backward(dy, x, self.weight.value, input_gradient)
        self.weight.accumulate(dweight)
        self.bias.accumulate(dbias)
        return dx

    def describe(self) -> str:
        return str(self.units)
