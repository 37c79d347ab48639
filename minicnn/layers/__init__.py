"""Layers: parameters and memory around the operations. Read `base` first, then `dense`, `conv2d`, `sequential`.

Every public layer in these files is one of `minicnn.layers`, and of `minicnn`; there is no list of them.
"""

from minicnn.layers.activations import *
from minicnn.layers.base import Layer
from minicnn.layers.batch_norm import *
from minicnn.layers.conv2d import *
from minicnn.layers.dense import *
from minicnn.layers.dropout import *
from minicnn.layers.flatten import *
from minicnn.layers.layer_norm import *
from minicnn.layers.local_response_norm import *
from minicnn.layers.passes import keep_for_backward
from minicnn.layers.pooling import *
from minicnn.layers.residual import *
from minicnn.layers.sequential import *
from minicnn.layers.variables import Parameter, Randomness, State

__all__ = [
    "Layer", "Parameter", "Randomness", "State", "keep_for_backward",
    *sorted(
        name
        for name, value in globals().items()
        if isinstance(value, type) and issubclass(value, Layer) and value is not Layer and not name.startswith("_")
    ),
]  # fmt: skip


def __dir__() -> list[str]:
    """Return the layers' names alone, for tab completion: not what their files import for themselves."""
    return __all__
