"""A trained network → an int8 network: which of its layers run with bytes, and what becomes of the others.

The layers are first grouped into nodes, each of which gives one array that has a range of its own:

    "weights"    a convolution or a dense layer, with its batch norm and its ReLU or ReLU6; a batch norm by itself,
                 which is a depthwise 1×1 convolution
    "sum"        a residual connection and its ReLU, with the nodes of its body and of its shortcut
    "pool"       a max-pool, and "same", Flatten: they hand bytes on as they are
    "floats"     any other layer: what comes in is turned into numbers for it

Then each node is run on some pictures by whoever wants to know its range (`minicnn.training.calibration`), and the
int8 network is made of the nodes and their scales. Its structure follows from the layers alone, so that a network of
which only the bytes were kept is made anew from its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import prod

import numpy as np

from minicnn import ops
from minicnn.backend import Array, to_numpy
from minicnn.errors import UsageError
from minicnn.layers.activations import ReLU, ReLU6
from minicnn.layers.base import Layer
from minicnn.layers.batch_norm import BatchNorm2D
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.dense import Dense
from minicnn.layers.dropout import Dropout
from minicnn.layers.flatten import Flatten
from minicnn.layers.plan import make_plan, run_forward
from minicnn.layers.pooling import MaxPool2D
from minicnn.layers.quantized import (
    Dequantize,
    Int8Conv2D,
    Int8Dense,
    Int8MaxPool2D,
    Int8Residual,
    Quantize,
    Scale,
)
from minicnn.layers.residual import Residual
from minicnn.layers.sequential import Sequential
from minicnn.ops.quantized_convolution import MOST_TERMS

CUTS = (ReLU, ReLU6)  # what the range of a result does on the way
ANY = Scale(1.0, 0)  # until the scales are known


@dataclass(eq=False)
class Node:
    """A group of layers that gives one array. scale: what its bytes stand for. body, shortcut: of a "sum"."""

    kind: str
    layers: tuple[Layer, ...]
    body: list[Node] = field(default_factory=list)
    shortcut: list[Node] | None = None
    scale: Scale = ANY

    def forward(self, x: Array, look: Callable[[Node, Array], None]) -> Array:
        """Return what the layers make of x (N, …) in floating point, after `look` has seen it, and all inside."""
        if self.kind == "sum":
            summand = x if self.shortcut is None else run(self.shortcut, x, look)
            y = ops.residual(run(self.body, x, look), summand)
            y = run_forward(make_plan(self.layers[1:], "inference"), y, False)
        else:
            y = run_forward(make_plan(self.layers, "inference"), x, False)
        look(self, y)
        return y

    def __repr__(self) -> str:
        return f"Node({self.kind}: {' + '.join(layer.name for layer in self.layers)})"


def run(nodes: Sequence[Node], x: Array, look: Callable[[Node, Array], None]) -> Array:
    """Run x through the nodes, one after the other, in floating point; `look` sees what each gives."""
    for node in nodes:
        x = node.forward(x, look)
    return x


def nodes_of(net: Layer) -> list[Node]:
    """Return the nodes of a network, in order, after one for its input."""
    return [Node("input", ()), *_grouped(_flat([net]))]


def int8_network(net: Sequential, nodes: Sequence[Node]) -> Sequential:
    """Return the int8 network of `net`, with the weights and the scales that its nodes have now.

    nodes: of `net`, see `nodes_of`. The layers that stay in floating point are copies. Raises UsageError where no layer
    would run with bytes.
    """
    if not any(node.kind in ("weights", "sum") for node in nodes):
        raise UsageError("this network has no convolution or dense layer that could run with bytes")
    made = _Making()
    layers, last = made.run(nodes[1:], None, nodes[0], wanted="floats")
    assert last is None
    assert net.input_shape is not None
    int8 = Sequential(layers, net.input_shape, dtype=net.dtype)
    for fill in made.fills:
        fill()
    return int8


class _Making:
    """Makes layers of nodes; `fills` is what is left to do when they are built: to set their values."""

    def __init__(self) -> None:
        self.fills: list[Callable[[], None]] = []

    def run(
        self, nodes: Sequence[Node], now: Scale | None, before: Node, wanted: str
    ) -> tuple[list[Layer], Scale | None]:
        """Return the layers for nodes, and what the last one's bytes stand for, None for floats.

        now: what the bytes that come in stand for, None for floats. before: the node that gives them. wanted: "bytes"
        or "floats", what the last shall give.
        """
        layers: list[Layer] = []
        for place, node in enumerate(nodes):
            takes = "floats" if node.kind == "floats" else "bytes" if node.kind in ("weights", "sum") else "either"
            if takes == "bytes" and now is None:
                layers.append(self._quantize(before.scale))
                now = before.scale
            if takes == "floats" and now is not None:
                layers.append(self._dequantize(now))
                now = None
            if node.kind == "weights":
                following = nodes[place + 1].kind if place + 1 < len(nodes) else wanted
                floats = following == "floats" and type(node.layers[-1]) not in CUTS
                layers.append(self._weights(node, now or ANY, floats))
                now = None if floats else node.scale
            elif node.kind == "sum":
                layers.append(self._sum(node, now or ANY))
                now = node.scale
            elif node.kind == "pool" and now is not None:
                layers.append(Int8MaxPool2D(node.layers[0]))  # type: ignore[arg-type]
            else:
                layers += [self._copy(layer) for layer in node.layers]
            before = node
        if wanted == "floats" and now is not None:
            layers.append(self._dequantize(now))
            now = None
        if wanted == "bytes" and now is None:
            layers.append(self._quantize(before.scale))
            now = before.scale
        return layers, now

    def _quantize(self, scale: Scale) -> Layer:
        layer = Quantize()
        self.fills.append(lambda: layer.fill_scale("y", scale))
        return layer

    def _dequantize(self, scale: Scale) -> Layer:
        layer = Dequantize()
        self.fills.append(lambda: layer.fill_scale("x", scale))
        return layer

    def _weights(self, node: Node, now: Scale, floats: bool) -> Layer:
        first = node.layers[0]
        layer: Int8Conv2D | Int8Dense
        if isinstance(first, Dense):
            layer = Int8Dense(first.units, floats)
        else:
            layer = Int8Conv2D(first if isinstance(first, Conv2D) else _pixelwise(first), floats)

        def fill() -> None:
            if first.built:
                layer.fill(*folded(node.layers), now, None if floats else node.scale)

        self.fills.append(fill)
        return layer

    def _sum(self, node: Node, now: Scale) -> Layer:
        gives = Node("same", (), scale=now)
        body, of_body = self.run(node.body, now, gives, "bytes")
        shortcut, of_shortcut = (None, now) if node.shortcut is None else self.run(node.shortcut, now, gives, "bytes")
        layer = Int8Residual(body, shortcut)

        def fill() -> None:
            for name, scale in (("a", of_body), ("b", of_shortcut), ("y", node.scale)):
                layer.fill_scale(name, scale or ANY)

        self.fills.append(fill)
        return layer

    def _copy(self, layer: Layer) -> Layer:
        copy = deepcopy(layer)

        def fill() -> None:
            if layer.built:
                for name, variable in copy.variables().items():
                    variable.value = to_numpy(layer.variables()[name].value).copy()

        self.fills.append(fill)
        return copy


def folded(layers: Sequence[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight (…, F) and the bias (F,), in float64, of a convolution or dense layer with its batch norm.

    Of a batch norm by itself, those of the depthwise 1×1 convolution that it is.
    """
    first, norm = layers[0], next((layer for layer in layers if isinstance(layer, BatchNorm2D)), None)
    if isinstance(first, Conv2D | Dense):
        weight = to_numpy(first.weight.value).astype("float64")
        bias = np.zeros(weight.shape[-1]) if first.bias is None else to_numpy(first.bias.value).astype("float64")
    else:
        assert norm is not None
        channels = norm.weight.shape[0]
        weight, bias = np.ones((1, 1, 1, channels)), np.zeros(channels)
    if norm is None:
        return weight, bias
    gamma, beta, mean, variance = (
        to_numpy(variable.value).astype("float64")
        for variable in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return weight * scale, beta + (bias - mean) * scale


def _pixelwise(norm: Layer) -> Conv2D:
    assert norm.input_shape is not None
    channels = norm.input_shape[2]
    return Conv2D(channels, 1, groups=channels)


def _flat(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers with those of each Sequential in its place, without Dropout, which does nothing here."""
    flat: list[Layer] = []
    for layer in layers:
        if type(layer) is Sequential:
            flat += _flat(layer.layers)
        elif type(layer) is not Dropout:
            flat.append(layer)
    return flat


def _grouped(layers: Sequence[Layer]) -> list[Node]:
    nodes: list[Node] = []
    place = 0
    while place < len(layers):
        node = _node(layers[place:])
        nodes.append(node)
        place += len(node.layers)
    return nodes


def _node(layers: Sequence[Layer]) -> Node:
    """Return the node that the first layers make."""
    first, *others = layers
    if type(first) is Residual:
        body = _grouped(_flat([first.body]))
        shortcut = None if first.shortcut is None else _grouped(_flat([first.shortcut]))
        if any(node.kind in ("weights", "sum") for node in body):
            return Node("sum", (first, *_cut(others)), body, shortcut)
    elif type(first) is Conv2D and prod(first.weight.shape[:3]) <= MOST_TERMS:
        norm = others[:1] if others and type(others[0]) is BatchNorm2D else []
        return Node("weights", (first, *norm, *_cut(others[len(norm) :])))
    elif type(first) is BatchNorm2D or (type(first) is Dense and first.weight.shape[0] <= MOST_TERMS):
        return Node("weights", (first, *_cut(others)))
    elif type(first) is MaxPool2D:
        return Node("pool", (first,))
    elif type(first) is Flatten:
        return Node("same", (first,))
    return Node("floats", (first,))


def _cut(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the ReLU or ReLU6 that the layers begin with, or nothing."""
    return tuple(layers[:1]) if layers and type(layers[0]) in CUTS else ()
