"""The local response normalisation layer."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.base import Layer, Shape
from minicnn.ops.local_response_norm import require_settings


class LocalResponseNorm(Layer):
    """Divide each number by a power of its neighbours' energy across channels: y = x / (k + α/size · Σ x²)^β.

    size: channels in a window. alpha, beta, k: as in the formula, with torch.nn.LocalResponseNorm's defaults. AlexNet
    has size 5, β = 0.75, k = 2 and, as its paper does not divide by size, α = 5e-4 here. Input and output (N, H, W, C).
    Source: Krizhevsky, Sutskever & Hinton 2012, §3.3.
    """

    kind = "lrn"
    x: Array | None = None

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        require_settings(size, alpha, beta, k)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y like x."""
        self.require_built()
        self.keep(training, x=x)
        return ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, H, W, C). Returns dx like it, or None."""
        x = self.take("x")
        if not input_gradient:
            return None
        return ops.local_response_norm_backward(dy, x, self.size, self.alpha, self.beta, self.k)

    def describe(self) -> str:
        return f"{self.size}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k:g}"

    def operations(self) -> int:
        """Return size + 4 for every number: its square, size − 1 sums, · α/size, + k, the power, the division."""
        return (self.size + 4) * self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (3, 2, 7)), (cls(2, alpha=0.8, k=2.0), (2, 3, 3)), (cls(3, alpha=1.5, beta=0.6), (2, 2, 4))]
