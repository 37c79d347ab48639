"""A trace as a table for a terminal: every array with what it is made of, every gradient beside its differences."""

from __future__ import annotations

import re
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
    repeated = _repeated(t)
    hidden = {name for names in repeated.values() for name in names}
    rows = {traced.name: _numbers(traced) for traced in t if traced.name not in hidden}
    names = max(len(_own(name)) for name in rows) + 2
    widths = [max(len(row[column]) for row in rows.values()) for column in range(4)]
    layer = ""
    for name, (shape, smallest, largest, zeros) in rows.items():
        traced = t[name]
        where = name.rpartition(".")[0]
        if where != layer:
            yield ""
            yield where or "the loss"
            layer = where
        line = f"  {_own(name):<{names}}{shape:<{widths[0]}}  {smallest:>{widths[1]}}"
        yield f"{line} … {largest:<{widths[2]}}  {zeros:>{widths[3]}} zeros" if traced.value.size > 1 else line
        yield from _told([part for part in (traced.formula, traced.source) if part], width)
        if name in repeated:
            yield from _told([f"and {len(repeated[name])} more like it, to {_own(repeated[name][-1])}"], width)
        if name in found:
            yield from _told([beside(found[name])], width)
    yield ""


def _repeated(t: Trace) -> dict[str, list[str]]:
    """Return by the first one's name those that a layer makes again and again: columns2, columns3, … of columns."""
    again: dict[str, list[str]] = {}
    for name in t.names():
        numbered = re.fullmatch(r"(.*\D)(\d+)", name)
        if numbered is not None and int(numbered[2]) > 1 and numbered[1] in t:
            again.setdefault(numbered[1], []).append(name)
    return again


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
            **{figure: getattr(traced, figure) for figure in ("min", "max", "mean", "zeros")},
            "formula": traced.formula, "source": traced.source,
            "derivative": derivative_json(found.get(traced.name)),
        }
        for traced in t
    ]  # fmt: skip


def explanation_json(explained: Explanation, derivative: Derivative | None) -> dict[str, Any]:
    """Return a number with all its terms in plain JSON values."""
    return {
        "name": explained.name, "index": list(explained.index), "value": explained.value,
        "formula": explained.formula, "source": explained.source, "note": explained.note,
        "terms": [{"text": term.text, "value": term.value} for term in explained.terms],
        "sum": explained.sum, "derivative": derivative_json(derivative),
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
