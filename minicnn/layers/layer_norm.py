"""The layer normalisation layer."""

from __future__ import annotations

from math import inf

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import UsageError
from minicnn.layers.base import Layer, Shape
from minicnn.layers.variables import Parameter
from minicnn.ops.windows import is_number


class LayerNorm(Layer):
    """Normalise each pixel, or each vector, over its own channels, then scale and shift each channel.

    epsilon: ε, added to the variance. The weight (C,) begins at one, the bias (C,) at zero. Training or not, it does
    the same. Input and output (N, H, W, C), or (N, C). Source: Ba, Kiros & Hinton 2016, "Layer Normalization", §3.
    """

    kind = "ln"
    x: Array | None = None
    mean: Array | None = None
    variance: Array | None = None

    def __init__(self, epsilon: float = 1e-5) -> None:
        if not (is_number(epsilon) and 0 < epsilon < inf):
            raise UsageError(
                f"LayerNorm epsilon={epsilon!r} should be above 0, and finite: it keeps a variance of 0 from dividing"
            )
        self.epsilon = epsilon

    def resolve(self, input_shape: Shape) -> Shape:
        self.weight = Parameter.declared(input_shape[-1:], "ones")
        self.bias = Parameter.declared(input_shape[-1:], "zeros")
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C) or (N, C). Returns y like x."""
        self.require_built()
        y, mean, variance = ops.layer_norm(x, self.weight.value, self.bias.value, self.epsilon)
        self.keep(training, x=x, mean=mean, variance=variance)
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: like x. Returns dx like it, or None."""
        x, mean, variance = self.take("x"), self.take("mean"), self.take("variance")
        dx, dweight, dbias = ops.layer_norm_backward(dy, x, self.weight.value, mean, variance, self.epsilon)
        self.weight.accumulate(dweight, own=True)
        self.bias.accumulate(dbias, own=True)
        return dx if input_gradient else None

    def describe(self) -> str:
        return f"epsilon={self.epsilon:g}"

    def operations(self) -> int:
        """Return 8 for every number: 1 for the mean, 3 for the variance, then − mean, ÷ deviation, · weight, + bias."""
        return 8 * self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (3, 4, 5)), (cls(epsilon=0.1), (7,))]
