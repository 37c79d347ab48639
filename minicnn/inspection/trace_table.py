"""A trace as a table for a terminal: every array with what it is made of, every gradient beside its differences."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from minicnn.errors import UsageError
from minicnn.inspection.derivatives import Derivative
from minicnn.inspection.finite_differences import Index
from minicnn.inspection.trace import Explanation, Trace, TracedArray

MOST_SHOWN_DIGITS = 6  # of a gradient that stands beside its differences


def table(t: Trace, found: Mapping[str, Derivative], width: int) -> Iterator[str]:
    """Yield a trace line by line, none longer than `width` characters unless a name is.

    found: derivatives by differences, as `derivatives` returns them.
    """
    rows = {traced.name: _numbers(traced) for traced in t}
    names = max(len(_own(name)) for name in rows) + 2
    widths = [max(len(row[column]) for row in rows.values()) for column in range(4)]
    layer = ""
    for traced in t:
        where = traced.name.rpartition(".")[0]
        if where != layer:
            yield ""
            yield where or "the loss"
            layer = where
        shape, smallest, largest, zeros = rows[traced.name]
        line = f"  {_own(traced.name):<{names}}{shape:<{widths[0]}}  "
        line += f"{smallest:>{widths[1]}} … {largest:<{widths[2]}}  {zeros:>{widths[3]}} zeros"
        yield (
            line.rstrip()
            if traced.value.size > 1
            else f"  {_own(traced.name):<{names}}{shape:<{widths[0]}}  {smallest}"
        )
        said = [part for part in (traced.formula, traced.source) if part]
        yield from _told(said, width)
        if traced.name in found:
            yield from _told([beside(found[traced.name])], width)
    yield ""


def beside(derivative: Derivative) -> str:
    """Return in words one number of a gradient, as backward has it and by differences."""
    digits = MOST_SHOWN_DIGITS
    told = f"at {list(derivative.index)}: backward {derivative.backward:.{digits}g}"
    told += f", differences of the loss {derivative.differences:.{digits}g}"
    return told if derivative.known else f"{told}, which are not to be trusted here: a kink, or too flat"


def parse_place(text: str) -> tuple[str, Index]:
    """Return the name and the index in "conv1.y:0,5,7,3". Raises UsageError for what is none."""
    name, _, numbers = text.partition(":")
    try:
        index = tuple(int(number) for number in numbers.split(",")) if numbers.strip() else ()
    except ValueError:
        raise UsageError(
            f"{text!r} should be an array's name and the number's place in it, such as conv1.y:0,5,7,3"
        ) from None
    return name, index


def to_json(t: Trace, found: Mapping[str, Derivative]) -> list[dict[str, Any]]:
    """Return all arrays of a trace, without their numbers, in plain JSON values."""
    return [
        {
            "name": traced.name, "shape": list(traced.shape), "dtype": str(traced.dtype),
            **{figure: _finite(getattr(traced, figure)) for figure in ("min", "max", "mean", "zeros")},
            "formula": traced.formula, "source": traced.source,
            "derivative": derivative_json(found.get(traced.name)),
        }
        for traced in t
    ]  # fmt: skip


def explanation_json(explained: Explanation, derivative: Derivative | None) -> dict[str, Any]:
    """Return a number with all its terms in plain JSON values."""
    return {
        "name": explained.name, "index": list(explained.index), "value": _finite(explained.value),
        "formula": explained.formula, "source": explained.source, "note": explained.note,
        "terms": [{"text": term.text, "value": _finite(term.value)} for term in explained.terms],
        "sum": _finite(explained.sum), "derivative": derivative_json(derivative),
    }  # fmt: skip


def derivative_json(derivative: Derivative | None) -> dict[str, Any] | None:
    """Return a derivative in plain JSON values."""
    return None if derivative is None else {**vars(derivative), "index": list(derivative.index)}


def _numbers(traced: TracedArray) -> tuple[str, str, str, str]:
    shape = "×".join(map(str, traced.shape)) or "1"
    return shape, f"{traced.min:.4g}", f"{traced.max:.4g}", f"{traced.zeros:.0%}"


def _own(name: str) -> str:
    return name.rpartition(".")[2]


def _told(parts: list[str], width: int) -> list[str]:
    """Return texts on one indented line where they fit, and else on lines of their own."""
    together = "   ".join(parts)
    lines = [together] if len(together) <= width - 6 else parts
    return [
        wrapped
        for line in lines
        for wrapped in textwrap.wrap(line, width, initial_indent=" " * 6, subsequent_indent=" " * 8)
    ]


def _finite(value: float) -> float | None:
    """Return a number as JSON knows it: NaN and infinities are none."""
    return value if abs(value) < float("inf") else None
