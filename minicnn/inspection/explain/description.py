"""What the page is told: a network with its numbers and one picture, in plain JSON values."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.backend import to_numpy
from minicnn.dispatch import use_kernels
from minicnn.errors import UsageError
from minicnn.inspection.explain.kinds import KINDS, Kind
from minicnn.inspection.explain.stored import stored_pass
from minicnn.layers import Layer, Parameter, Residual, Sequential, State
from minicnn.layers.base import shape_text
from minicnn.layers.tree import found_in
from minicnn.training.normalization import Normalization

FORMAT = 1  # of what the page is told

# Beyond, a page computes nothing itself: each parameter is 5.4 bytes of the file, and a browser computes some 10⁹
# multiplications a second, three times those of a forward pass after each change.
MOST_PARAMETERS = 2_500_000
MOST_OPERATIONS = 500_000_000  # of a forward pass, as `summary` counts them
MOST_SHOWN = 10_000  # numbers of an array of weights that is only looked at


def page_data(
    net: Sequential, image: np.ndarray, normalization: Normalization, classes: Sequence[str],
    class_names: Sequence[str] | None = None, model: str = "", label: int | None = None, label_smoothing: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    """Describe a network and a picture for the page.

    net: reads pictures (H, W, 3) and returns K logits. image: (H, W, 3) uint8, the picture at the network's size.
    normalization: from its bytes to what the network reads. classes: K names, in the order of the labels. class_names:
    the same as people say them. model: what the network is called. label: the class that the loss is about, the
    likeliest if left out. label_smoothing: ε of the loss.
    Raises UsageError when picture, classes or label do not fit the network.
    """
    net.require_built()
    _require_fitting(net, image, classes, class_names, label)
    obstacle = obstacle_to_computing(net)
    x = ops.normalize_pixels(image[None], normalization.mean, normalization.std, net.dtype)
    if label is None:
        with use_kernels("reference"):  # which need no compiling
            label = int(np.argmax(net.forward(x)[0]))
    return {
        "format": FORMAT,
        "model": model,
        "live": obstacle is None,
        "why": obstacle,
        "image": {"shape": list(image.shape), "bytes": _base64(image)},
        "normalization": normalization.to_config(),
        "classes": list(classes),
        "classNames": list(class_names or classes),
        "label": label,
        "labelSmoothing": label_smoothing,
        "dtype": net.dtype,
        "layers": [_node(layer, obstacle is None) for layer in net.layers],
        "stored": None if obstacle is None else stored_pass(net, x, label, label_smoothing, _packed),
    }


def obstacle_to_computing(net: Sequential) -> dict[str, Any] | None:
    """Return why a page would not compute this network by itself, or None: a layer it does not know, or its size."""
    unknown = [layer for _, layer in net.walk() if type(layer) not in KINDS]
    if unknown:
        return {"key": "layer", "layer": unknown[0].name, "kind": type(unknown[0]).__name__}
    parameters = sum(int(np.prod(parameter.shape)) for parameter in net.parameters().values())
    if parameters > MOST_PARAMETERS:
        return {"key": "parameters", "number": parameters, "limit": MOST_PARAMETERS}
    operations = sum(layer.operations() for _, layer in net.walk())
    if operations > MOST_OPERATIONS:
        return {"key": "operations", "number": operations, "limit": MOST_OPERATIONS}
    return None


def _require_fitting(
    net: Sequential, image: np.ndarray, classes: Sequence[str], class_names: Sequence[str] | None, label: int | None
) -> None:
    if len(net.input_shape or ()) != 3 or len(net.output_shape or ()) != 1:
        raise UsageError(
            f"a page explains a network that makes logits of a picture; this one makes "
            f"{shape_text(net.output_shape or ())} of {shape_text(net.input_shape or ())}"
        )
    if image.shape != net.input_shape or image.dtype != np.uint8:
        raise UsageError(
            f"the network reads pictures of {shape_text(net.input_shape or ())}, in bytes; got "
            f"{shape_text(image.shape)} in {image.dtype}: bring it to that size first"
        )
    count = (net.output_shape or ())[0]
    for what, names in (("classes", classes), ("class_names", class_names)):
        if names is not None and len(names) != count:
            raise UsageError(f"the network has {count} outputs, and {what} names {len(names)}: give one name for each")
    if label is not None and not 0 <= label < count:
        raise UsageError(f"label {label} is none of the {count} classes 0 … {count - 1}")


def _node(layer: Layer, live: bool) -> dict[str, Any]:
    """Return a layer, with those inside it; of large arrays the numbers only where the page is to compute with them."""
    kind = KINDS.get(type(layer), Kind())
    node: dict[str, Any] = {
        "name": layer.name,
        "kind": type(layer).__name__,
        "description": layer.describe(),
        "inputShape": list(layer.input_shape or ()),
        "outputShape": list(layer.output_shape or ()),
        "settings": kind.settings(layer),
        "frozen": layer.frozen,
        "formulas": kind.formulas(),
        "source": kind.sources(),
    }
    for held, owned in (("parameters", found_in(layer, Parameter)), ("state", found_in(layer, State))):
        shown = {name: variable.value for name, variable in owned.items() if live or variable.value.size <= MOST_SHOWN}
        node[held] = {name: _packed(array) for name, array in shown.items()}
    if isinstance(layer, Residual):
        node["body"] = _node(layer.body, live)
        node["shortcut"] = None if layer.shortcut is None else _node(layer.shortcut, live)
    elif layer.children():
        node["layers"] = [_node(inside, live) for inside in layer.children().values()]
    return node


def _packed(array: Any) -> dict[str, Any]:
    """Return an array's shape, its dtype, and its numbers in base64."""
    array = to_numpy(array)
    return {"shape": list(array.shape), "dtype": array.dtype.name, "data": _base64(array)}


def _base64(array: np.ndarray) -> str:
    """Return an array's numbers, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode("ascii")
