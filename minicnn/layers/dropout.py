"""The dropout layer."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import UsageError
from minicnn.layers.base import Layer


class Dropout(Layer):
    """In training, set each value to zero with probability `rate` and scale the others by 1/(1 − rate); else nothing.

    rate: in [0, 1). Input and output of any one shape. Source: Srivastava et al. 2014.
    """

    kind = "dropout"

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise UsageError(f"Dropout rate {rate} should be at least 0 and below 1: the share of values to drop")
        self.rate = rate
        self.rng: np.random.Generator | None = None
        self.keep: Array | bool | None = None

    def make_parameters(self, rng: np.random.Generator, dtype: str) -> None:
        self.rng = rng.spawn(1)[0]

    def random_generators(self) -> dict[str, np.random.Generator]:
        return {"rng": self.rng} if self.rng is not None else {}

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: any shape. Returns y like x."""
        self.require_built()
        assert self.rng is not None
        if not training or self.rate == 0:
            self.keep = True  # everything
            return x
        y, self.keep = ops.dropout(x, self.rate, int(self.rng.integers(2**63)))
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: like x. Returns dx like x, or None."""
        keep = self.take("keep")
        if not input_gradient:
            return None
        return dy if keep is True else ops.dropout_backward(dy, keep, self.rate)

    def describe(self) -> str:
        return f"{self.rate:g}"
