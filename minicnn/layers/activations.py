"""The activation layers: what bends the network's otherwise straight lines."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.base import Layer


class ReLU(Layer):
    """y = max(x, 0), for any shape. Source: document 004 §4.1.2."""

    kind = "relu"
    y: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = ops.relu(x)
        return self.y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return ops.relu_backward(dy, y) if input_gradient else None


class Sigmoid(Layer):
    """y = 1 / (1 + e⁻ˣ), for any shape. Source: document 004 §4.1.2."""

    kind = "sigmoid"
    y: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = ops.sigmoid(x)
        return self.y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return ops.sigmoid_backward(dy, y) if input_gradient else None


class Tanh(Layer):
    """y = tanh x, for any shape. Source: document 004 §4.1.2."""

    kind = "tanh"
    y: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = ops.tanh(x)
        return self.y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return ops.tanh_backward(dy, y) if input_gradient else None
