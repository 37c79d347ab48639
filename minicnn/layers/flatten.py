"""From pictures to rows of numbers."""

from __future__ import annotations

from math import prod

from minicnn.backend import Array
from minicnn.layers.base import Layer, Shape


class Flatten(Layer):
    """Lay each sample out as one row: (N, H, W, C) → (N, H·W·C), in the order row, column, channel."""

    kind = "flatten"
    x_shape: tuple[int, ...] | None = None

    def resolve(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, …). Returns y (N, product of the rest)."""
        self.keep(training, x_shape=tuple(x.shape))
        return x.reshape(x.shape[0], -1)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, product of the rest). Returns dx (N, …), or None."""
        x_shape = self.take("x_shape")
        return dy.reshape(x_shape) if input_gradient else None

    def operations(self) -> int:
        """Return 0: nothing is computed."""
        return 0

    def output_numbers(self) -> int:
        """Return 0: the output is the input, seen as a row."""
        return 0

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (7, 6, 2))]
