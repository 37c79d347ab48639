"""The kinds of layers that the page computes: the settings it needs of each, and the operation whose twin it runs.

js/layers.js has the same list.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from minicnn import ops
from minicnn.inspection.formulas import formula_of, source_of
from minicnn.inspection.terms import result_names
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

Settings = dict[str, Any]


class Kind(NamedTuple):
    """What the page has to know of a kind of layer.

    operation: its name in `minicnn.ops`, that of its backward pass ending in _backward; "" where there is none.
    results: how many arrays it returns that have a formula, forward and backward. settings: of a layer, in plain
    values.
    """

    operation: str = ""
    results: tuple[int, int] = (1, 1)
    settings: Callable[[Any], Settings] = lambda layer: {}

    def formulas(self) -> dict[str, str]:
        """Return by name how each result is made, as a trace says it."""
        return {name: formula_of(operation, name) for operation, _, name in self._results()}

    def sources(self) -> dict[str, str]:
        """Return by name the file and the line that make each result."""
        return {name: source_of(operation, name, place, "formula") for operation, place, name in self._results()}

    def _results(self) -> list[tuple[Any, int, str]]:
        if not self.operation:
            return []
        both = zip((self.operation, f"{self.operation}_backward"), self.results, strict=True)
        return [
            (getattr(ops, operation), place, name)
            for operation, count in both
            for place, name in enumerate(result_names(operation, count))
        ]


def _convolution(layer: Conv2D) -> Settings:
    return {
        "kernel": layer.kernel_size, "stride": layer.stride, "padding": layer.padding, "groups": layer.groups,
        "dilation": layer.dilation, "filters": layer.filters,
    }  # fmt: skip


def _pool(layer: MaxPool2D | AvgPool2D) -> Settings:
    return {"size": layer.size, "stride": layer.stride, "padding": layer.padding}


def _dropout(layer: Dropout) -> Settings:
    """Return the rate, and the seed that the next pass in training would draw, in two words of 32 bits."""
    generator = copy.deepcopy(layer.rng.generator)
    assert generator is not None
    seed = int(generator.integers(2**63))
    return {"rate": layer.rate, "seed": [seed & 0xFFFFFFFF, seed >> 32]}


def _local_response_norm(layer: LocalResponseNorm) -> Settings:
    return {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "k": layer.k}


KINDS: dict[type[Layer], Kind] = {
    Conv2D: Kind("conv2d", (1, 3), _convolution),
    Dense: Kind("dense", (1, 3), lambda layer: {"units": layer.output_shape[0]}),
    MaxPool2D: Kind("max_pool2d", (2, 1), _pool),
    AvgPool2D: Kind("avg_pool2d", (1, 1), _pool),
    GlobalAvgPool2D: Kind("global_avg_pool2d"),
    Flatten: Kind(),
    Dropout: Kind("dropout", (2, 1), _dropout),
    BatchNorm2D: Kind("batch_norm", (3, 3), lambda layer: {"momentum": layer.momentum, "epsilon": layer.epsilon}),
    LayerNorm: Kind("layer_norm", (3, 3), lambda layer: {"epsilon": layer.epsilon}),
    LocalResponseNorm: Kind("local_response_norm", (1, 1), _local_response_norm),
    ReLU: Kind("relu"),
    ReLU6: Kind("relu6"),
    LeakyReLU: Kind("leaky_relu", (1, 1), lambda layer: {"slope": layer.slope}),
    Sigmoid: Kind("sigmoid"),
    Tanh: Kind("tanh"),
    SiLU: Kind("silu"),
    GELU: Kind("gelu"),
    Residual: Kind("residual"),
    Sequential: Kind(),
}
