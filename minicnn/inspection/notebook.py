"""How summaries, traces and gradient checks show themselves in a notebook: as tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minicnn.layers.base import shape_text
from minicnn.notebook import Html, joined, maps, photograph, share_bar, shown, table

if TYPE_CHECKING:
    from minicnn.inspection.gradient_report import GradientReport
    from minicnn.inspection.summary import Summary
    from minicnn.inspection.trace import Explanation, Trace, TracedArray

MOST_TERMS = 32  # of a number that are listed, the largest


def summary_html(summary: Summary) -> Html:
    """Return a row a layer, with bars for its share of parameters, operations and memory of outputs."""
    rows = [
        (
            row.name, row.layer, "×".join(map(str, row.output_shape)),
            _bar(row.parameters, summary.parameters, f"{row.parameters:,}"),
            _bar(row.flops, summary.flops, f"{row.flops / 1e6:,.2f} M"),
            _bar(row.activation_bytes, summary.activation_bytes, f"{row.activation_bytes / 2**20:,.2f} MiB"),
            f"{row.im2col_bytes / 2**20:,.2f} MiB" if row.im2col_bytes else "–",
        )
        for row in summary.rows
    ]  # fmt: skip
    rows.append((
        Html("<b>total</b>"), "", "", f"{summary.parameters:,}", f"{summary.flops / 1e6:,.2f} M",
        f"{summary.activation_bytes / 2**20:,.2f} MiB", f"≤ {summary.im2col_bytes / 2**20:,.2f} MiB",
    ))  # fmt: skip
    caption = (
        f"input {shape_text(summary.input_shape)}, batches of {summary.batch_size}, {summary.dtype}; operations of one "
        "forward pass; memory of the run layer by layer, which fused kernels undercut"
    )
    heads = ("name", "layer", "output", "parameters", "operations", "output's memory", "im2col")
    return table(heads, rows, "lllrrrr", caption)


def trace_html(trace: Trace) -> Html:
    """Return a row an array: name, shape, range, share of zeros, the array itself as a picture, its formula."""
    rows = [
        (
            array.name, "×".join(map(str, array.shape)) or "one number", f"{array.min:.3g}", f"{array.max:.3g}",
            f"{array.mean:.3g}", f"{array.zeros:.0%}",
            "" if array.formula.startswith("= ") else array_picture(array),  # another name of what was just drawn
            Html(f'<span title="{shown(array.source)}">{shown(array.formula)}</span>'),
        )
        for array in trace
    ]  # fmt: skip
    caption = "every array of the pass, in order; pictures are of the first sample: red is positive, blue negative"
    heads = ("array", "shape", "min", "max", "mean", "zeros", "", "formula")
    return table(heads, rows, "llrrrrll", caption)


def array_html(array: TracedArray) -> Html:
    """Return one array: what it is, and a picture of it."""
    name, *rest = str(array).splitlines()
    return joined(Html(f"<b>{shown(name)}</b>"), *rest, array_picture(array))


def array_picture(array: TracedArray) -> Html:
    """Return the first sample's channels, the first filters of a weight, or a matrix or a vector as it is."""
    values, what = array.value, f"{array.name} as a picture"
    if not array.value.size or not array.shape:
        return Html("")
    if values.ndim == 4 and array.name.endswith("weight"):
        filters = values.transpose(3, 0, 1, 2)
        return maps(filters if filters.shape[3] == 3 else filters[..., 0], what)
    if values.ndim == 4:
        sample = values[0]
        if (
            sample.shape[2] == 3
            and not array.name.rpartition(".")[2].startswith("d")
            and 0 <= values.min() <= values.max() <= 1
        ):
            return photograph(sample, what)
        return maps(sample.transpose(2, 0, 1), what)
    return maps(np.atleast_2d(values.reshape(-1, values.shape[-1]))[np.newaxis], what)


def explanation_html(explanation: Explanation) -> Html:
    """Return one number with its terms, the largest first, each with a bar as long as it is large."""
    largest = sorted(explanation.terms, key=lambda term: -abs(term.value))
    most = abs(largest[0].value) or 1.0 if largest else 1.0
    rows: list[tuple[object, object]] = [
        (term.text, _bar(abs(term.value), most, f"{term.value:.6g}")) for term in largest[:MOST_TERMS]
    ]
    if len(largest) > MOST_TERMS:
        rest = sum(term.value for term in largest[MOST_TERMS:])
        rows.append((f"{len(largest) - MOST_TERMS:,} smaller ones", f"{rest:.6g}"))
    rows.append((Html("<b>sum</b>"), f"{explanation.sum:.9g}"))
    where = f"{explanation.name}{list(explanation.index) or ''} = {explanation.value:.9g}"
    caption = joined(Html(f"<b>{shown(where)}</b>"), explanation.formula, explanation.source, explanation.note)
    return table((f"{len(largest):,} terms", "value"), rows, "lr", caption)


def report_html(report: GradientReport) -> Html:
    """Return the verdict with its reasons, and a row for each array in each part and mode."""
    name, index = report.worst
    colour, verdict = ("green", "passed") if report.passed else ("firebrick", "FAILED")
    at_fault = " and ".join(part for part in report.at_fault if part)
    where = shown(f" at {at_fault}" if at_fault else "")
    title = (
        f'gradient check <b style="color:{colour}">{verdict}</b>{where}: largest '
        f"relative error {report.max_relative_error:.2g} at {shown(name)}{list(index)}, tolerance {report.tolerance:g}"
    )
    heads = ("part", "array", "error", "backward", "differences", "at", "")
    tables = []
    for mode in report.modes:
        rows = [
            (part.title, *_marked(check.cells(), check.problem(report.tolerance) is not None))
            for part in mode.parts
            for check in part.checks
        ]
        tables.append(table(heads, rows, "llrrrll", mode.title()) if rows else mode.title())
    return joined(Html(title), *report.problems, *tables)


def _marked(cells: tuple[str, ...], wrong: bool) -> tuple[object, ...]:
    """Return a line's cells, in red if it is wrong."""
    return tuple(Html(f'<span style="color:firebrick">{shown(cell)}</span>') for cell in cells) if wrong else cells


def _bar(part: float, whole: float, text: str) -> object:
    return share_bar(part / whole, text) if part and whole else "–"
