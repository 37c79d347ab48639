"""Every activation in Python's own arithmetic, one number at a time, and beside it PyTorch's.

`ACTIVATIONS` is the table from which all tests of activations take their cases. A slope is taken from the input x, by
the textbook derivative, also where the operation takes it from the output y.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Activation:
    """An activation: its value and slope at a number, its limits at −∞ and ∞, PyTorch's function, and its settings."""

    value: Callable[..., float]
    slope: Callable[..., float]
    limits: tuple[float, float]
    pytorch: Callable[..., Any]  # of the module torch, a tensor, and the settings
    settings: tuple[float, ...] = ()  # what the operation takes after its arrays
    refused: tuple[tuple[float, ...], ...] = ()  # settings that it has no meaning for

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the activation of every element of x."""
        return self._each(self.value, x)

    def backward(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return dy times the slope at every element of x."""
        return dy * self._each(self.slope, x)

    def _each(self, function: Callable[..., float], x: np.ndarray) -> np.ndarray:
        result = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            result[index] = function(float(x[index]), *self.settings)
        return result


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v > -700 else math.exp(v)  # e^700 is near the largest double


ACTIVATIONS = {
    "relu": Activation(
        value=lambda v: v if v > 0 or math.isnan(v) else 0.0,
        slope=lambda v: 1.0 if v > 0 else 0.0,
        limits=(0, math.inf),
        pytorch=lambda torch, x: torch.relu(x),
    ),
    "sigmoid": Activation(
        value=_sigmoid,
        slope=lambda v: _sigmoid(v) * _sigmoid(-v),  # 1 − σ(v) = σ(−v)
        limits=(0, 1),
        pytorch=lambda torch, x: torch.sigmoid(x),
    ),
    "tanh": Activation(
        value=math.tanh,
        slope=lambda v: 1 / math.cosh(v) ** 2 if abs(v) < 350 else 0.0,
        limits=(-1, 1),
        pytorch=lambda torch, x: torch.tanh(x),
    ),
    "relu6": Activation(
        value=lambda v: v if math.isnan(v) else min(max(v, 0.0), 6.0),
        slope=lambda v: 1.0 if 0 < v < 6 else 0.0,
        limits=(0, 6),
        pytorch=lambda torch, x: torch.nn.functional.relu6(x),
    ),
    "leaky_relu": Activation(
        value=lambda v, slope: v if v > 0 else slope * v,
        slope=lambda v, slope: 1.0 if v > 0 else slope,
        limits=(-math.inf, math.inf),
        pytorch=lambda torch, x, slope: torch.nn.functional.leaky_relu(x, slope),
        settings=(0.3,),
        refused=((-0.1,), (math.nan,), (math.inf,)),
    ),
    "silu": Activation(
        value=lambda v: v * _sigmoid(v) if v > -math.inf else 0.0,
        slope=lambda v: _sigmoid(v) * (1 + v * _sigmoid(-v)),
        limits=(0, math.inf),
        pytorch=lambda torch, x: torch.nn.functional.silu(x),
    ),
    "gelu": Activation(
        value=lambda v: v * math.erfc(-v / math.sqrt(2)) / 2 if v > -math.inf else 0.0,
        slope=lambda v: math.erfc(-v / math.sqrt(2)) / 2 + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi),
        limits=(0, math.inf),
        pytorch=lambda torch, x: torch.nn.functional.gelu(x),
    ),
}
