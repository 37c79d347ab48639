"""Every number of a forward and a backward pass, by name: `trace`.

What there is, and what it is called:

    conv1.x, conv1.weight, …        what a layer's operation was given
    conv1.columns                   what its formula makes on the way (im2col's windows as rows; back: conv1.dcolumns)
    conv1.y                         what it returned; conv1.z is another name of it, that of the weighted sum that an
                                    activation is applied to
    pool1.argmax, norm1.mean, …     what else it returned
    conv1.dy, conv1.dx, …           the gradients at its output (conv1.dz is the same) and at its input
    conv1.dweight, conv1.dbias      the gradients of what it learns
    logits, labels, probabilities, loss, dlogits      those of the loss

A layer inside another one is named by its dotted path: residual1.body.conv1.dweight. What an operation calls in turn
and names like its caller's own arrays bears the operation's name too (block1.conv2d.y), and what a layer makes several
times, as in a loop, is numbered: y, y2, y3. In fast mode layers that run as one are named together, conv1+relu1+pool1,
and what a kernel never writes is not there. A layer that computes by itself, without an operation, is seen only in what
its neighbours get.

A trace is made of what `minicnn.dispatch.observe` sees, and of nothing else. The network itself is not touched: a copy
of it runs, and every array is copied at the moment it is made, and read-only.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minicnn.backend import Array
from minicnn.errors import UsageError
from minicnn.files import write_whole
from minicnn.inspection.formulas import formula_of
from minicnn.inspection.recording import Names, Step, record_pass
from minicnn.inspection.terms import Index, Products, spell
from minicnn.layers.base import Layer, shape_text
from minicnn.layers.weights import save_arrays
from minicnn.training.losses import SoftmaxCrossEntropy

WIDTH = 100  # of the printed table, in characters
MOST_TERMS = 32  # of a number that are printed; all of them are in Explanation.terms


def trace(
    net: Layer, x: Array, labels: Array | None = None, kernels: str = "reference", training: bool = True,
    loss: SoftmaxCrossEntropy | None = None,
) -> Trace:  # fmt: skip
    """Run a batch forward and backward through a copy of the network, and return every array that is made on the way.

    x: a batch as `net.forward` takes it. labels: (N,) integers 0 … K−1 for the loss, or None for the forward pass
    alone. kernels: "reference" runs every layer by its own formula, so that each step has its array; "fast" shows what
    the kernels compute. training: False runs the network as it is used: no dropout, batch norm with its running
    statistics. loss: to use instead of `SoftmaxCrossEntropy()`.
    Raises UsageError for other kernels, and what the network raises for such a batch.
    """
    net, recorder = record_pass(net, x, labels, kernels, training, loss)
    variables = [(variable.value, f"the network's {name}") for name, variable in net.variables().items()]
    names = Names([(x, "the batch that was given"), (labels, "the labels that were given"), *variables])
    for step in recorder.steps:
        names.take(step)
    recorder.end()
    return Trace({
        name: TracedArray(name, named.snapshot.value, named.formula, named.source, named.step, named.result)
        for name, named in names.arrays.items()
    })  # fmt: skip


@dataclass(frozen=True)
class TracedArray:
    """One array of a pass.

    name: such as "conv1.dweight". value: a read-only NumPy array. formula: how it is made, as the operation's docstring
    says it. source: the file and the line that made it, or "" where no operation did.
    """

    name: str
    value: np.ndarray
    formula: str
    source: str
    _step: Step | None = field(repr=False)  # the call that made it
    _result: str = field(repr=False)  # what that call named it

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape

    @property
    def dtype(self) -> np.dtype:
        """The array's dtype."""
        return self.value.dtype

    @property
    def min(self) -> float:
        """The smallest number."""
        return float(self.value.min()) if self.value.size else float("nan")

    @property
    def max(self) -> float:
        """The largest number."""
        return float(self.value.max()) if self.value.size else float("nan")

    @property
    def mean(self) -> float:
        """The mean of all numbers."""
        return float(self.value.mean(dtype="float64")) if self.value.size else float("nan")

    @property
    def zeros(self) -> float:
        """The share of numbers that are exactly 0, in 0 … 1."""
        return float((self.value == 0).mean()) if self.value.size else float("nan")

    def __str__(self) -> str:
        shape = shape_text(self.shape) if self.shape else "one number"
        statistics = f"min {self.min:.4g}, max {self.max:.4g}, mean {self.mean:.4g}, {self.zeros:.1%} zeros"
        return f"{self.name}: {shape}, {self.dtype}; {statistics}\n  {self.formula}\n  {self.source}".rstrip()

    def _repr_html_(self) -> str:
        from minicnn.inspection.notebook import array_html

        return array_html(self)


class Term:
    """One term of a sum: `value`, and `text`, which says what it is made of."""

    def __init__(self, products: Products, place: int, value: float) -> None:
        self._products, self._place, self.value = products, place, value

    @property
    def text(self) -> str:
        """The term in words and numbers, such as "x[0, 1, 2, 0] · weight[0, 0, 0, 3] = 0.5 · 0.1 = 0.05"."""
        return self._products.text(self._place)

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Explanation:
    """One number of a trace as the terms that it is the sum of.

    name, index: which number. value: it, as it stands in the array. values: all terms, in float64; they add up to
    `value` within the rounding of its dtype. note: what else is to know. Printed, the largest terms come first.
    """

    name: str
    index: Index
    value: float
    formula: str
    source: str
    note: str
    values: np.ndarray
    _parts: tuple[Products, ...] = field(repr=False)

    @property
    def terms(self) -> list[Term]:
        """All terms, in order."""
        return [Term(part, place, float(v)) for part in self._parts for place, v in enumerate(part.values)]

    @property
    def sum(self) -> float:
        """The sum of all terms, in float64."""
        return float(self.values.sum())

    def __str__(self) -> str:
        terms, count = self.terms, len(self.values)
        largest = np.argsort(-np.abs(self.values), kind="stable")[:MOST_TERMS]
        shown = [terms[place] for place in sorted(largest) if count <= MOST_TERMS or terms[place].value != 0]
        lines = [f"{self.name}{list(self.index) or ''} = {self.value:.9g}"]
        lines += [f"  {line}" for line in (self.formula, self.source, self.note) if line]
        lines += [f"    {term.text}" for term in shown]
        if len(shown) < count:
            rest = self.sum - sum(term.value for term in shown)
            lines.append(f"    and {count - len(shown):,} smaller ones, {rest:.6g} together")
        return "\n".join([*lines, f"  {count:,} {'term' if count == 1 else 'terms'}, sum {self.sum:.9g}"])

    def _repr_html_(self) -> str:
        from minicnn.inspection.notebook import explanation_html

        return explanation_html(self)


class Trace:
    """All arrays of a pass by name, in the order in which they were made; printed, a table."""

    def __init__(self, arrays: dict[str, TracedArray]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> TracedArray:
        """Return the array of that name. Raises UsageError that says which names there are."""
        found = self._arrays.get(name) or self._arrays.get(_other_name(name))
        if found is None:
            layer = name.rpartition(".")[0]
            there = [other for other in self._arrays if layer and other.rpartition(".")[0] == layer]
            layers = {other.rpartition(".")[0]: None for other in self._arrays if "." in other}
            of_loss = [other for other in self._arrays if "." not in other]
            everywhere = f"{', '.join(of_loss)}, and those of the layers: {', '.join(layers)}"
            raise UsageError(
                f"this trace has no {name!r}; there are, {f'of {layer}: ' + ', '.join(there) if there else everywhere}"
            )
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._arrays or _other_name(name) in self._arrays

    def __iter__(self) -> Iterator[TracedArray]:
        return iter(self._arrays.values())

    def __len__(self) -> int:
        return len(self._arrays)

    def names(self) -> list[str]:
        """Return the names of all arrays, in order."""
        return list(self._arrays)

    def explain(self, name: str, index: int | Index = ()) -> Explanation:
        """Spell out one number of the array `name` as the terms that it is the sum of.

        index: of the number, as many whole numbers as the array has axes.
        Raises UsageError when there is no such number, or none that can be spelled out: an input, a weight, or what a
        fused kernel made.
        """
        traced = self[name]
        place = _require_index(traced, tuple(index) if isinstance(index, Iterable) else (index,))
        step = traced._step
        if step is None:
            raise UsageError(f"{traced.name} was given, not computed by an operation: {traced.formula}")
        made = step.made(traced._result)
        where = tuple(int(axis) for axis in np.unravel_index(np.ravel_multi_index(place, traced.shape), made.shape))
        spelled = spell(step.operation, step.given(), step.returned(), traced._result, where)
        if spelled is None:
            fused = (
                ' Trace with kernels="reference", where every layer runs by itself.' if step.ran != "formula" else ""
            )
            raise UsageError(
                f"nobody has written down the terms of {step.operation.__name__}'s {traced._result}.{fused}"
            )
        values = np.concatenate([np.zeros(0), *(part.values for part in spelled.parts)])
        return Explanation(
            traced.name, place, float(traced.value[place]), formula_of(step.operation, traced._result),
            traced.source, spelled.note, values, spelled.parts,
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write all arrays by name to an archive: NumPy's (.npz), or a safetensors file with formulas and sources.

        Raises UsageError for another ending, or when the folder cannot be written to.
        """
        path = Path(path)
        if path.suffix == ".npz":
            archive = io.BytesIO()
            np.savez(archive, **{name: traced.value for name, traced in self._arrays.items()})  # type: ignore[arg-type]
            write_whole(path, archive.getvalue())
        elif path.suffix == ".safetensors":
            texts = {name: f"{traced.formula}\n{traced.source}".rstrip() for name, traced in self._arrays.items()}
            save_arrays({name: traced.value for name, traced in self._arrays.items()}, path, texts)
        else:
            raise UsageError(f"{path} should end in .npz or .safetensors: an archive of named arrays")

    def __str__(self) -> str:
        heads = ("", "shape", "min", "max", "mean", "zeros", "formula")
        rows: list[tuple[str, ...]] = []
        layer = ""
        for name, traced in self._arrays.items():
            where, _, short = name.rpartition(".") if name.rpartition(".")[0] else ("", "", name)
            if where != layer:
                layer = where
                rows += [(where,)] if where else []
            numbers = (f"{value:.3g}" for value in (traced.min, traced.max, traced.mean))
            rows.append((("  " if where else "") + short, "×".join(map(str, traced.shape)) or "1", *numbers,
                         f"{traced.zeros:.0%}", traced.formula))  # fmt: skip
        full = [row for row in (heads, *rows) if len(row) > 1]
        widths = [max(len(row[column]) for row in full) for column in range(len(heads) - 1)]
        return "\n".join(_line(row, widths)[:WIDTH].rstrip() for row in (heads, *rows))

    def __repr__(self) -> str:
        return f"<trace of {len(self)} arrays; print it for a table>"

    def _repr_html_(self) -> str:
        from minicnn.inspection.notebook import trace_html

        return trace_html(self)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    if len(row) == 1:
        return row[0]
    name, shape, *numbers, formula = row
    columns = [name.ljust(widths[0]), shape.ljust(widths[1])]
    columns += [text.rjust(width) for text, width in zip(numbers, widths[2:], strict=True)]
    line = "  ".join([*columns, formula])
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _other_name(name: str) -> str:
    """Return conv1.y for conv1.z and conv1.dy for conv1.dz: the weighted sum that an activation is applied to."""
    return re.sub(r"(^|\.)(d?)z$", r"\1\2y", name)


def _require_index(traced: TracedArray, index: Index) -> Index:
    if not all(isinstance(place, int | np.integer) and not isinstance(place, bool) for place in index):
        raise UsageError(f"an index such as {index} of {traced.name} should be made of whole numbers")
    if len(index) != len(traced.shape) or any(
        not -size <= place < size for place, size in zip(index, traced.shape, strict=True)
    ):
        first = ",".join("0" * len(traced.shape))
        raise UsageError(
            f"{traced.name} of shape {traced.shape} has no number at {index}: the first is {traced.name}"
            + (f":{first}" if first else "")
        )
    return tuple(int(place) % size for place, size in zip(index, traced.shape, strict=True))
