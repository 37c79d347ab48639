"""PyTorch's weights in one of minicnn's networks: whose they are, by name, and their axes in minicnn's order.

A convolution's weight there is (F, C/groups, KH, KW), here (KH, KW, C/groups, F); a dense weight there is (outputs,
inputs), here (inputs, outputs). A picture is flattened channel by channel there, pixel by pixel here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minicnn.errors import UsageError
from minicnn.layers import Conv2D, Dense, Flatten, Layer, Sequential
from minicnn.layers.base import Shape, shape_text
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Variable
from minicnn.models import Model

UNUSED = "num_batches_tracked"  # PyTorch's batch norm counts what it has seen, which no formula needs
NAMED_AT_MOST = 3


def from_torch(network: Model, net: Sequential, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return PyTorch's weights and running statistics under the names, and with the axes, of `net`.

    network: whose PyTorch names are known. net: built from it, or its outline. arrays: what a PyTorch state dict holds.
    Raises UsageError when nothing is known of the network's names in PyTorch, when arrays are missing or left over, or
    when one has another shape than its place here.
    """
    if network.torch_names is None:
        raise UsageError(f"there are no published PyTorch weights for {network.name}: its names there are not known")
    sources = _sources(net, network.torch_names())
    missing = [theirs for theirs, _ in sources.values() if theirs not in arrays]
    wanted = {theirs for theirs, _ in sources.values()}
    left = [name for name in arrays if name not in wanted and not name.endswith(UNUSED)]
    if missing or left:
        parts = [f"{_listed(missing)} missing"] if missing else []
        parts += [f"{_listed(left)} left over"] if left else []
        raise UsageError(f"these weights are not those of {network.name}: {' and '.join(parts)}")
    pictures = _flattened_pictures(net)
    weights = {}
    for ours, (theirs, layer) in sources.items():
        array = _arranged(arrays[theirs], layer, pictures.get(id(layer)))
        shape = _shape_of(layer, ours)
        if array is None or array.shape != shape:
            raise UsageError(
                f"{theirs} is {arrays[theirs].shape}, which does not fit {ours} {shape} of {network.name} for an "
                f"input of {shape_text(net.input_shape or ())} and {shape_text(net.output_shape or ())}"
            )
        weights[ours] = array
    return weights


def _sources(net: Sequential, names: list[str]) -> dict[str, tuple[str, Layer]]:
    """Return for each variable of `net`, by its name, the array's name in PyTorch and the layer that owns it."""
    owners = [(path, layer) for path, layer in net.walk() if found_in(layer, Variable)]
    return {
        f"{path}.{variable}": (f"{theirs}.{variable}", layer)
        for (path, layer), theirs in zip(owners, names, strict=True)
        for variable in found_in(layer, Variable)
    }


def _flattened_pictures(net: Sequential) -> dict[int, Shape]:
    """Return the picture (H, W, C) that a dense layer reads flattened, by the layer's id."""
    pictures, picture = {}, None
    for _, layer in net.walk():
        if isinstance(layer, Flatten):
            picture = layer.input_shape
        elif isinstance(layer, Dense) and picture is not None:
            pictures[id(layer)], picture = picture, None
    return pictures


def _arranged(array: np.ndarray, layer: Layer, picture: Shape | None) -> np.ndarray | None:
    """Return a layer's array with its axes in minicnn's order; None where it has not as many numbers as it should."""
    if isinstance(layer, Conv2D) and array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif isinstance(layer, Dense) and array.ndim == 2:
        if picture is not None and len(picture) == 3:
            h, w, c = picture
            if array.shape[1] != h * w * c:
                return None
            array = array.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(len(array), -1)
        array = array.T
    return np.ascontiguousarray(array)


def _shape_of(layer: Layer, name: str) -> tuple[int, ...]:
    return found_in(layer, Variable)[name.rpartition(".")[2]].shape


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return f"{', '.join(names[:NAMED_AT_MOST])}{more} {'is' if len(names) == 1 else 'are'}"
