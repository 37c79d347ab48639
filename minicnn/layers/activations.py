"""The activation layers: what bends the network's otherwise straight lines."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.base import Layer, Shape
from minicnn.ops.activations import require_slope


class _Activation(Layer):
    """One function value for each number, of any shape.

    An activation says what its function is, and its gradient, from what a pass keeps: see the two kinds below.
    """

    def function(self, x: Array) -> Array:
        """Return y, like x."""
        raise TypeError(f"{type(self).__name__} does not say what its function is")

    def gradient(self, dy: Array, kept: Array) -> Array:
        """Return dx, from dy and what the forward pass kept: x or y, all alike."""
        raise TypeError(f"{type(self).__name__} does not say what its gradient is")

    operations_each = 1  # arithmetic operations and function values for one number

    def operations(self) -> int:
        """Return as many for every value as its formula has."""
        return self.operations_each * self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (12,))]


class _FromOutput(_Activation):
    """An activation whose slope follows from its output y."""

    y: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        y = self.function(x)
        self.keep(training, y=y)
        return self.hand_out(y)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        y = self.take("y")
        return self.gradient(dy, y) if input_gradient else None


class _FromInput(_Activation):
    """An activation whose slope takes its input x to tell."""

    x: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(training, x=x)
        return self.function(x)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        x = self.take("x")
        return self.gradient(dy, x) if input_gradient else None


class ReLU(_FromOutput):
    """y = max(x, 0), for any shape. Source: document 004 §4.1.2."""

    def function(self, x: Array) -> Array:
        return ops.relu(x)

    def gradient(self, dy: Array, y: Array) -> Array:
        return ops.relu_backward(dy, y)


class Sigmoid(_FromOutput):
    """y = 1 / (1 + e⁻ˣ), for any shape. Source: document 004 §4.1.2."""

    def function(self, x: Array) -> Array:
        return ops.sigmoid(x)

    def gradient(self, dy: Array, y: Array) -> Array:
        return ops.sigmoid_backward(dy, y)


class Tanh(_FromOutput):
    """y = tanh x, for any shape. Source: document 004 §4.1.2."""

    def function(self, x: Array) -> Array:
        return ops.tanh(x)

    def gradient(self, dy: Array, y: Array) -> Array:
        return ops.tanh_backward(dy, y)


class ReLU6(_FromOutput):
    """y = min(max(x, 0), 6), for any shape. Source: Howard et al. 2017 (MobileNet)."""

    operations_each = 2

    def function(self, x: Array) -> Array:
        return ops.relu6(x)

    def gradient(self, dy: Array, y: Array) -> Array:
        return ops.relu6_backward(dy, y)


class LeakyReLU(_FromOutput):
    """y = x for x > 0, else slope·x, for any shape. Source: Maas et al. 2013, §2.

    slope: of the negative side, at least 0. Raises UsageError for another slope.
    """

    operations_each = 2

    def __init__(self, slope: float = 0.01) -> None:
        require_slope(slope)
        self.slope = float(slope)

    def function(self, x: Array) -> Array:
        return ops.leaky_relu(x, self.slope)

    def gradient(self, dy: Array, y: Array) -> Array:
        return ops.leaky_relu_backward(dy, y, self.slope)

    def describe(self) -> str:
        return f"slope={self.slope:g}"


class SiLU(_FromInput):
    """y = x·σ(x), for any shape; also called swish. Source: Elfwing et al. 2017, §2."""

    operations_each = 2

    def function(self, x: Array) -> Array:
        return ops.silu(x)

    def gradient(self, dy: Array, x: Array) -> Array:
        return ops.silu_backward(dy, x)


class GELU(_FromInput):
    """y = x·Φ(x), with the share Φ(x) of the normal distribution below x, for any shape.

    Source: Hendrycks & Gimpel 2016, §2: the exact function, not its approximation by tanh.
    """

    operations_each = 2

    def function(self, x: Array) -> Array:
        return ops.gelu(x)

    def gradient(self, dy: Array, x: Array) -> Array:
        return ops.gelu_backward(dy, x)
