"""The activations, each with its loops: the table from which their tests take their cases.

Whatever stands in `minicnn.ops.activations` is in it. PyTorch's function is that of the same name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.loops import activations as loops


@dataclass(frozen=True)
class Activation:
    """An activation by name, with the settings that it is tried with, and some that it has no meaning for."""

    name: str
    settings: tuple[float, ...] = ()  # what the operation takes after its arrays
    refused: tuple[tuple[float, ...], ...] = ()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the activation of every element of x."""
        return getattr(loops, self.name)(x, *self.settings)

    def backward(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return dy times the slope at every element of x."""
        return getattr(loops, f"{self.name}_backward")(dy, x, *self.settings)

    @property
    def limits(self) -> tuple[float, float]:
        """What it tends to at −∞ and ∞."""
        below, above = self.forward(np.array([-math.inf, math.inf])).tolist()
        return below, above

    def pytorch(self, torch: Any, x: Any) -> Any:
        """Return what PyTorch makes of a tensor."""
        return getattr(torch.nn.functional, self.name)(x, *self.settings)


SPECIAL = {
    "leaky_relu": Activation("leaky_relu", settings=(0.3,), refused=((-0.1,), (math.nan,), (math.inf,))),
}
ACTIVATIONS = {
    name: SPECIAL.get(name, Activation(name))
    for name in ops.__all__
    if getattr(ops, name).__module__ == "minicnn.ops.activations" and f"{name}_backward" in ops.__all__
}
