"""A network as an ONNX model, which other engines run: onnxruntime, OpenVINO, TensorRT, browsers.

Pictures go in as minicnn has them, (N, height, width, channels); ONNX's convolutions want (N, channels, height, width),
so the model transposes once at its entrance, and back where a layer's meaning depends on the order. One small function
for each kind of layer, below, says what its inference is in ONNX's operators; `FORMS` is the table of them.
Source: https://onnx.ai/onnx/operators, of version 17.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, TypeVar

import numpy as np

from minicnn.backend import Array, to_numpy
from minicnn.errors import UsageError
from minicnn.layers import (
    GELU,
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Tanh,
)

OPERATORS = 17  # the version of ONNX's operators: the first with LayerNormalization, of 2022
FORMAT = 8  # the version of the file format that came with it
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
LARGEST = 2**31 - 2**20  # bytes of weights: a model is one protobuf message, which ends at 2 GiB

Form = Callable[["Graph", Any, str], str]  # writes a layer that reads the value of that name; returns its output's name
FORMS: dict[type[Layer], Form] = {}
F = TypeVar("F", bound=Form)


def form_of(kind: type[Layer]) -> Callable[[F], F]:
    """Make a function the one that writes layers of that kind."""

    def register(form: F) -> F:
        FORMS[kind] = form
        return form

    return register


def to_onnx(net: Sequential, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the network's inference pass as an ONNX model, ready to be written to a file; float32 throughout.

    Its input `images` (N, *input_shape) is what `net.forward` reads, normalised alike, in batches of any size N (called
    `inputs` where it is no picture); its output `logits` is what that returns. Weights have minicnn's names.
    metadata: texts by name that are kept with it, such as the classes.
    Raises UsageError when the package onnx is not installed, for a layer that none of `FORMS` writes, and for a network
    beyond the 2 GiB that an ONNX file may have.
    """
    net.require_built()
    if sum(value.nbytes for value in net.state().values()) > LARGEST:
        raise UsageError("the network's weights take more than the 2 GiB that an ONNX file may have")
    assert net.input_shape is not None and net.output_shape is not None
    graph = Graph()
    entrance = "images" if _is_picture(net.input_shape) else "inputs"
    x = graph.channels_first(entrance, "entrance") if _is_picture(net.input_shape) else entrance
    y = graph.add_layer(net, x)
    if _is_picture(net.output_shape):
        y = graph.channels_last(y, "exit")
    graph.add("Identity", y, name="logits")
    return graph.model({entrance: net.input_shape}, {"logits": net.output_shape}, metadata or {})


class Graph:
    """The nodes and weights of a model while a network is walked. Every node's output has the node's name."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise UsageError("to write ONNX, install its package: pip install 'minicnn[export]'") from error
        self._onnx: Any = onnx
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def add_layer(self, layer: Layer, x: str) -> str:
        """Write a layer that reads the value x; return its output's name."""
        for kind in type(layer).__mro__:
            if kind in FORMS and all(_inherits(layer, kind, method) for method in ("forward", "function")):
                return FORMS[kind](self, layer, x)
        raise UsageError(
            f"{layer.name} is a {type(layer).__name__}, for which minicnn.exchange.onnx has no form: write a function "
            f"with @form_of({type(layer).__name__}) like those there, or take safetensors"
        )

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Write a node and return its output's name. attributes: the operator's; an attribute of None is left out."""
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str, value: Array) -> str:
        """Keep an array, as float32, under a name, and return the name."""
        array = np.ascontiguousarray(to_numpy(value), "float32")
        self._weights.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def number(self, name: str, value: float) -> str:
        """Keep a number under a name, and return the name."""
        return self.weight(name, np.array(value))

    def channels_first(self, x: str, name: str) -> str:
        """Write the transposition (N, H, W, C) → (N, C, H, W)."""
        return self.add("Transpose", x, name=f"{name}.channels_first", perm=TO_CHANNELS_FIRST)

    def channels_last(self, x: str, name: str) -> str:
        """Write the transposition (N, C, H, W) → (N, H, W, C)."""
        return self.add("Transpose", x, name=f"{name}.channels_last", perm=TO_CHANNELS_LAST)

    def model(
        self, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
    ) -> bytes:
        """Return the model. inputs, outputs: shapes by name, without the batch axis."""
        from minicnn import __version__

        helper = self._onnx.helper

        def of_any_batch(shapes: Mapping[str, tuple[int, ...]]) -> list[Any]:
            number = self._onnx.TensorProto.FLOAT
            return [helper.make_tensor_value_info(name, number, ["N", *shape]) for name, shape in shapes.items()]

        graph = helper.make_graph(self._nodes, "minicnn", of_any_batch(inputs), of_any_batch(outputs), self._weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPERATORS)], ir_version=FORMAT, producer_name="minicnn",
            producer_version=__version__,
        )  # fmt: skip
        helper.set_model_props(model, dict(metadata))
        return model.SerializeToString()


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3


def _inherits(layer: Layer, kind: type[Layer], method: str) -> bool:
    """Return whether the layer computes by that method of `kind`, and not by one of its own class."""
    return getattr(type(layer), method, None) is getattr(kind, method, None)


def _pads(padding: tuple[tuple[int, int], tuple[int, int]]) -> list[int]:
    (top, bottom), (left, right) = padding
    return [top, left, bottom, right]


# What holds layers.


@form_of(Sequential)
def _sequential(graph: Graph, layer: Sequential, x: str) -> str:
    for inner in layer.layers:
        x = graph.add_layer(inner, x)
    return x


@form_of(Residual)
def _residual(graph: Graph, layer: Residual, x: str) -> str:
    shortcut = x if layer.shortcut is None else graph.add_layer(layer.shortcut, x)
    return graph.add("Add", graph.add_layer(layer.body, x), shortcut, name=layer.name)


# What learns.


@form_of(Conv2D)
def _conv2d(graph: Graph, layer: Conv2D, x: str) -> str:
    weight = to_numpy(layer.weight.value).transpose(3, 2, 0, 1)  # (KH, KW, C/groups, F) → (F, C/groups, KH, KW)
    inputs = [x, graph.weight(f"{layer.name}.weight", weight)]
    if layer.bias is not None:
        inputs.append(graph.weight(f"{layer.name}.bias", layer.bias.value))
    return graph.add(
        "Conv", *inputs, name=layer.name, kernel_shape=layer.kernel_size, strides=layer.stride,
        pads=_pads(layer.padding), dilations=layer.dilation, group=layer.groups,
    )  # fmt: skip


@form_of(Dense)
def _dense(graph: Graph, layer: Dense, x: str) -> str:
    weight = graph.weight(f"{layer.name}.weight", layer.weight.value)
    return graph.add("Gemm", x, weight, graph.weight(f"{layer.name}.bias", layer.bias.value), name=layer.name)


@form_of(BatchNorm2D)
def _batch_norm(graph: Graph, layer: BatchNorm2D, x: str) -> str:
    of_channels = ("weight", "bias", "running_mean", "running_var")
    inputs = [graph.weight(f"{layer.name}.{name}", getattr(layer, name).value) for name in of_channels]
    return graph.add("BatchNormalization", x, *inputs, name=layer.name, epsilon=layer.epsilon)


@form_of(LayerNorm)
def _layer_norm(graph: Graph, layer: LayerNorm, x: str) -> str:
    picture = _is_picture(layer.input_shape or ())
    inputs = [graph.weight(f"{layer.name}.{name}", getattr(layer, name).value) for name in ("weight", "bias")]
    x = graph.channels_last(x, layer.name) if picture else x
    y = graph.add("LayerNormalization", x, *inputs, name=layer.name, axis=-1, epsilon=layer.epsilon)
    return graph.channels_first(y, layer.name) if picture else y


# What looks at windows of pixels or channels.


@form_of(MaxPool2D)
def _max_pool(graph: Graph, layer: MaxPool2D, x: str) -> str:
    return graph.add(
        "MaxPool", x, name=layer.name, kernel_shape=layer.size, strides=layer.stride, pads=_pads(layer.padding)
    )


@form_of(AvgPool2D)
def _avg_pool(graph: Graph, layer: AvgPool2D, x: str) -> str:
    return graph.add(
        "AveragePool", x, name=layer.name, kernel_shape=layer.size, strides=layer.stride, pads=_pads(layer.padding),
        count_include_pad=1,
    )  # fmt: skip


@form_of(GlobalAvgPool2D)
def _global_avg_pool(graph: Graph, layer: GlobalAvgPool2D, x: str) -> str:
    means = graph.add("GlobalAveragePool", x, name=f"{layer.name}.mean")  # (N, C, 1, 1)
    return graph.add("Flatten", means, name=layer.name)


@form_of(LocalResponseNorm)
def _local_response_norm(graph: Graph, layer: LocalResponseNorm, x: str) -> str:
    settings = {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
    if layer.size % 2:
        return graph.add("LRN", x, name=layer.name, **settings)
    # Of an even window, ONNX puts the odd channel behind, minicnn and PyTorch before: so s = k + α/size · Σ x² is
    # written as a 1×1 convolution of x², whose weight says which channel j is in the window of which channel c.
    name, channels = layer.name, np.arange((layer.input_shape or ())[2])
    distance = channels[None, :] - channels[:, None]  # j − c
    inside = (distance >= -(layer.size // 2)) & (distance <= (layer.size - 1) // 2)
    weight = graph.weight(f"{name}.window", layer.alpha / layer.size * inside[:, :, None, None])
    k = graph.weight(f"{name}.k", np.full(channels.shape, layer.k))
    s = graph.add("Conv", graph.add("Mul", x, x, name=f"{name}.square"), weight, k, name=f"{name}.s")
    power = graph.add("Pow", s, graph.number(f"{name}.beta", layer.beta), name=f"{name}.power")
    return graph.add("Div", x, power, name=name)


# What changes the shape, or nothing.


@form_of(Flatten)
def _flatten(graph: Graph, layer: Flatten, x: str) -> str:
    picture = _is_picture(layer.input_shape or ())  # a row's order is height, width, channel
    return graph.add("Flatten", graph.channels_last(x, layer.name) if picture else x, name=layer.name)


@form_of(Dropout)
def _dropout(graph: Graph, layer: Dropout, x: str) -> str:
    return x


# The activations.


@form_of(ReLU)
def _relu(graph: Graph, layer: ReLU, x: str) -> str:
    return graph.add("Relu", x, name=layer.name)


@form_of(ReLU6)
def _relu6(graph: Graph, layer: ReLU6, x: str) -> str:
    least, most = graph.number(f"{layer.name}.least", 0), graph.number(f"{layer.name}.most", 6)
    return graph.add("Clip", x, least, most, name=layer.name)


@form_of(LeakyReLU)
def _leaky_relu(graph: Graph, layer: LeakyReLU, x: str) -> str:
    return graph.add("LeakyRelu", x, name=layer.name, alpha=layer.slope)


@form_of(Sigmoid)
def _sigmoid(graph: Graph, layer: Sigmoid, x: str) -> str:
    return graph.add("Sigmoid", x, name=layer.name)


@form_of(Tanh)
def _tanh(graph: Graph, layer: Tanh, x: str) -> str:
    return graph.add("Tanh", x, name=layer.name)


@form_of(SiLU)
def _silu(graph: Graph, layer: SiLU, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x, name=f"{layer.name}.sigmoid"), name=layer.name)


@form_of(GELU)
def _gelu(graph: Graph, layer: GELU, x: str) -> str:
    """Write x·Φ(x) with Φ(x) = ½·(1 + erf(x/√2)); ONNX's own operator for it is younger than version 17."""
    name = layer.name
    scaled = graph.add("Mul", x, graph.number(f"{name}.scale", 1 / sqrt(2)), name=f"{name}.scaled")
    erf = graph.add("Erf", scaled, name=f"{name}.erf")
    twice = graph.add("Add", erf, graph.number(f"{name}.one", 1), name=f"{name}.twice")
    share = graph.add("Mul", twice, graph.number(f"{name}.half", 0.5), name=f"{name}.share")
    return graph.add("Mul", x, share, name=name)
