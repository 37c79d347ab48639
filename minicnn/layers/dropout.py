"""The dropout layer."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.base import Layer, Shape
from minicnn.layers.variables import Randomness
from minicnn.ops.dropout import require_rate


class Dropout(Layer):
    """In training, set each value to zero with probability `rate` and scale the others by 1/(1 − rate); else nothing.

    rate: in [0, 1). Input and output of any one shape. Source: Srivastava et al. 2014.
    """

    kind = "dropout"
    kept: Array | bool | None = None  # where a value was kept; True: everywhere

    def __init__(self, rate: float = 0.5) -> None:
        require_rate(rate)
        self.rate = rate
        self.rng = Randomness()

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: any shape. Returns y like x."""
        self.require_built()
        if not training or self.rate == 0:
            self.keep(training, kept=True)
            return x
        assert self.rng.generator is not None
        y, kept = ops.dropout(x, self.rate, int(self.rng.generator.integers(2**63)))
        self.keep(training, kept=kept)
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: like x. Returns dx like x, or None."""
        kept = self.take("kept")
        if not input_gradient:
            return None
        return dy if kept is True else ops.dropout_backward(dy, kept, self.rate)

    def describe(self) -> str:
        return f"{self.rate:g}"

    def operations(self) -> int:
        """Return 0: outside of training it does nothing."""
        return 0

    def output_numbers(self) -> int:
        """Return 0: outside of training the output is the input."""
        return 0

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(0.4), (20,))]
