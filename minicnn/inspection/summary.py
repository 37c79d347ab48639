"""What a network is made of and what it costs: shapes, parameters, operations and memory, layer by layer.

Operations (FLOP) of one forward pass: every multiplication, addition, comparison and function value counts as one.

    convolution   2·KH·KW·C · OH·OW·F      KH·KW·C products, as many sums less one, and the bias
    dense         2·D · U                  likewise

and so on; each layer says it for itself (`Layer.operations`), and one that does not is refused.

Memory is that of the run layer by layer, as the formulas stand: every layer's output, and each convolution's im2col
matrix (N·OH·OW, KH·KW·C). Fused kernels need less: they never write the largest of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from minicnn.errors import UsageError
from minicnn.layers.base import Layer, Shape, shape_text
from minicnn.layers.variables import Parameter

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class LayerSummary:
    """One layer: its dotted name, its settings, its output for one sample, and what it costs for the whole batch.

    parameters: how many numbers it learns. flops: operations of a forward pass. activation_bytes: of its output
    (0 where that is its input, seen otherwise). im2col_bytes: of a convolution's matrix of windows, else 0.
    """

    name: str
    layer: str
    output_shape: Shape
    parameters: int
    flops: int
    activation_bytes: int
    im2col_bytes: int


@dataclass(frozen=True)
class Summary:
    """All layers of a network in order, and their totals, for batches of `batch_size` samples."""

    rows: tuple[LayerSummary, ...]
    input_shape: Shape
    batch_size: int
    dtype: str

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self) -> int:
        """Operations of a forward pass."""
        return sum(row.flops for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all layers' outputs together: in training, backward needs them all."""
        return sum(row.activation_bytes for row in self.rows)

    @property
    def im2col_bytes(self) -> int:
        """Bytes of the largest im2col matrix: only one is alive at a time."""
        return max(row.im2col_bytes for row in self.rows)

    def rich_table(self) -> Table:
        """Return the summary as a table for a terminal."""
        from rich.box import SIMPLE
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=f"input {shape_text(self.input_shape)}, batches of {self.batch_size}, {self.dtype}",
            caption="operations of one forward pass; memory of the run layer by layer, which fused kernels undercut",
            box=SIMPLE, show_footer=True, show_edge=False, pad_edge=False,
        )  # fmt: skip
        table.add_column("name", "total")
        table.add_column("layer")
        table.add_column("output", no_wrap=True, min_width=12)  # where it gets narrow, texts give way to numbers
        table.add_column("parameters", f"{self.parameters:,}", justify="right", no_wrap=True, min_width=11)
        table.add_column("operations", _operations(self.flops), justify="right", no_wrap=True, min_width=10)
        table.add_column("output\nMiB", _memory(self.activation_bytes), justify="right", no_wrap=True, min_width=6)
        table.add_column("im2col\nMiB", f"≤ {_memory(self.im2col_bytes)}", justify="right", no_wrap=True, min_width=8)
        for row in self.rows:
            table.add_row(
                *(Text(text, no_wrap=True, overflow="ellipsis") for text in (row.name, row.layer)),
                shape_text(row.output_shape), f"{row.parameters:,}" if row.parameters else "–",
                _operations(row.flops), _memory(row.activation_bytes), _memory(row.im2col_bytes),
            )  # fmt: skip
        return table

    def _repr_html_(self) -> str:
        from minicnn.inspection.notebook import summary_html

        return summary_html(self)


def summarize(net: Layer, batch_size: int = 1) -> Summary:
    """Count what each layer of `net` costs for a batch of `batch_size` samples.

    The network's shapes are enough (`models.outline`): no weight is looked at.
    Raises UsageError for a batch size below 1, RuntimeError when the network has no shapes yet, TypeError for a
    layer that does not say what it costs.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size {batch_size} should be at least 1")
    if net.input_shape is None:
        raise RuntimeError("the network has no shapes yet: give Sequential an input_shape, or call fix_shapes")
    itemsize = 8 if net.dtype == "float64" else 4
    return Summary(tuple(_rows(net, batch_size, itemsize)), net.input_shape, batch_size, net.dtype)


def _rows(net: Layer, batch_size: int, itemsize: int) -> Iterator[LayerSummary]:
    for name, layer in net.walk():
        own = [value for value in vars(layer).values() if isinstance(value, Parameter)]
        costs_nothing = not (own or layer.operations() or layer.output_numbers())
        if layer.children() and costs_nothing:  # it only holds others, which have rows of their own
            continue
        assert layer.output_shape is not None
        yield LayerSummary(
            name or "network", repr(layer), layer.output_shape,
            parameters=sum(prod(parameter.shape) for parameter in own),
            flops=batch_size * layer.operations(),
            activation_bytes=batch_size * layer.output_numbers() * itemsize,
            im2col_bytes=batch_size * layer.column_numbers() * itemsize,
        )  # fmt: skip


def _operations(flops: int) -> str:
    return "–" if flops == 0 else f"{flops / 1e9:.2f} G" if flops >= 1e9 else f"{flops / 1e6:.2f} M"


def _memory(size: int) -> str:
    return "–" if size == 0 else f"{size / 2**20:.2f}"
