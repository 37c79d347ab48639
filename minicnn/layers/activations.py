"""The activation layers: what bends the network's otherwise straight lines."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.base import Layer, Shape


class _Activation(Layer):
    """One function value for each number, of any shape; backward needs the output y."""

    y: Array | None = None

    def operations(self) -> int:
        """Return one for every value."""
        return self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (12,))]


class ReLU(_Activation):
    """y = max(x, 0), for any shape. Source: document 004 §4.1.2."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = ops.relu(x)
        self.keep(training, y=y)
        return self.hand_out(y)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return ops.relu_backward(dy, y) if input_gradient else None


class Sigmoid(_Activation):
    """y = 1 / (1 + e⁻ˣ), for any shape. Source: document 004 §4.1.2."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = ops.sigmoid(x)
        self.keep(training, y=y)
        return self.hand_out(y)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return ops.sigmoid_backward(dy, y) if input_gradient else None


class Tanh(_Activation):
    """y = tanh x, for any shape. Source: document 004 §4.1.2."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = ops.tanh(x)
        self.keep(training, y=y)
        return self.hand_out(y)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return ops.tanh_backward(dy, y) if input_gradient else None
