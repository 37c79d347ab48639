"""How a layer or a network shows itself in a notebook: its tree as a table, with its filters as pictures."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from minicnn.backend import to_numpy
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Parameter
from minicnn.notebook import Html, maps, table

if TYPE_CHECKING:
    from minicnn.layers.base import Layer

INDENT = "\N{NO-BREAK SPACE}" * 4


def layer_html(layer: Layer) -> Html:
    """Return a row for each layer of the tree: its place, settings, output shape, what it learns, its first filters."""
    rows = []
    for path, inner in layer.walk():
        if not path and inner.children():  # the network itself, which the table is of
            continue
        learnt = sum(prod(parameter.shape) for parameter in found_in(inner, Parameter).values())
        rows.append((
            INDENT * path.count(".") + (path or inner.name or "layer"), type(inner).__name__, inner.describe(),
            "×".join(map(str, inner.output_shape)) if inner.output_shape else "–",
            f"{learnt:,}" if learnt else "–", "frozen" if inner.frozen else "", filters(inner),
        ))  # fmt: skip
    caption = f"{type(layer).__name__}, without shapes so far"
    if layer.input_shape:
        total = sum(prod(parameter.shape) for parameter in layer.parameters().values())
        reads = "×".join(map(str, layer.input_shape))
        caption = f"{type(layer).__name__}, reads {reads}: {total:,} parameters, {layer.dtype}"
    heads = ("name", "layer", "settings", "output", "parameters", "", "filters")
    return table(heads, rows, "llllrll", caption)


def filters(layer: Layer) -> Html:
    """Return the first filters of a layer whose weight is (KH, KW, C, F), in colour where C is 3, else of channel 0."""
    weight = getattr(layer, "weight", None)
    if not (layer.built and isinstance(weight, Parameter) and len(weight.shape) == 4):
        return Html("")
    values = to_numpy(weight.value).transpose(3, 0, 1, 2)  # (F, KH, KW, C)
    return maps(values if values.shape[3] == 3 else values[..., 0], f"the first filters of {layer.name or 'the layer'}")
