"""The activations, each with its loops and PyTorch's function: the table from which their tests take their cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.loops import activations as loops


@dataclass(frozen=True)
class Activation:
    """An activation: its loops forward and backward, its limits at −∞ and ∞, PyTorch's function, and its settings."""

    loops: tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]
    limits: tuple[float, float]
    pytorch: Callable[..., Any]  # of the module torch, a tensor, and the settings
    settings: tuple[float, ...] = ()  # what the operation takes after its arrays
    refused: tuple[tuple[float, ...], ...] = ()  # settings that it has no meaning for

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the activation of every element of x."""
        return self.loops[0](x, *self.settings)

    def backward(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return dy times the slope at every element of x."""
        return self.loops[1](dy, x, *self.settings)


ACTIVATIONS = {
    "relu": Activation(
        loops=(loops.relu, loops.relu_backward),
        limits=(0, math.inf),
        pytorch=lambda torch, x: torch.relu(x),
    ),
    "sigmoid": Activation(
        loops=(loops.sigmoid, loops.sigmoid_backward),
        limits=(0, 1),
        pytorch=lambda torch, x: torch.sigmoid(x),
    ),
    "tanh": Activation(
        loops=(loops.tanh, loops.tanh_backward),
        limits=(-1, 1),
        pytorch=lambda torch, x: torch.tanh(x),
    ),
    "relu6": Activation(
        loops=(loops.relu6, loops.relu6_backward),
        limits=(0, 6),
        pytorch=lambda torch, x: torch.nn.functional.relu6(x),
    ),
    "leaky_relu": Activation(
        loops=(loops.leaky_relu, loops.leaky_relu_backward),
        limits=(-math.inf, math.inf),
        pytorch=lambda torch, x, slope: torch.nn.functional.leaky_relu(x, slope),
        settings=(0.3,),
        refused=((-0.1,), (math.nan,), (math.inf,)),
    ),
    "silu": Activation(
        loops=(loops.silu, loops.silu_backward),
        limits=(0, math.inf),
        pytorch=lambda torch, x: torch.nn.functional.silu(x),
    ),
    "gelu": Activation(
        loops=(loops.gelu, loops.gelu_backward),
        limits=(0, math.inf),
        pytorch=lambda torch, x: torch.nn.functional.gelu(x),
    ),
}
