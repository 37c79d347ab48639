"""The same operation on each rung of a ladder: slow loops, the formula, the Numba kernel, the GPU: equal, and faster.

    loops     minicnn/loops: one number at a time, in Python's own float64
    formula   minicnn/ops: the mathematics, in NumPy
    kernel    minicnn/kernels/cpu: compiled by Numba
    GPU       minicnn/kernels/gpu, or the formula in CuPy; where there is one

All rungs get the same arrays, in float32. Each is measured against the loops: the largest error of a number, as a share
of the largest number, and how many times as fast it is. A rung's time is the median of several calls, compilation left
out; the loops, which take seconds, are called once.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.backend import is_array, to_device, to_numpy
from minicnn.devices import require_cupy
from minicnn.dispatch import Call, observe, use_kernels
from minicnn.errors import DeviceError
from minicnn.inspection.formulas import place_of
from minicnn.inspection.sample_calls import SIDE, sample_call
from minicnn.ops.windows import pad_amounts

SECONDS = 0.2  # for which a rung is called again and again
LEAST_CALLS, MOST_CALLS = 3, 200
WIDTH = 80  # of what is printed, in characters
LEGEND = (
    "× loops, × above: how many times as fast as the loops, and as the rung above",
    "error: the largest one, as a share of the largest number",
)


@dataclass(frozen=True)
class Rung:
    """One way of computing an operation.

    name: "loops", "formula", "kernel" or "GPU". source: "file:line". seconds: of a call, None where it cannot be had.
    error: the largest difference from the loops, as a share of the largest number. note: why there is none.
    """

    name: str
    source: str = ""
    seconds: float | None = None
    error: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Ladder:
    """An operation, what it was called with, and its rungs, the slowest first; printed, a table of 80 columns."""

    operation: str
    arguments: dict[str, Any]  # shapes in place of arrays
    rungs: tuple[Rung, ...]

    def times_as_fast(self, rung: Rung, than: Rung | None) -> float | None:
        """Return how many times as fast a rung is as another one."""
        if than is None or than.seconds is None or rung.seconds is None:
            return None
        return than.seconds / rung.seconds

    def line(self) -> str:
        """Return the ladder in one line, under HEADING."""
        loops, *others = self.rungs
        speeds = (_times(self.times_as_fast(rung, loops)) for rung in others)
        errors = [rung.error for rung in others if rung.error is not None]
        return _columns(_LINE, self.operation, _seconds(loops.seconds), *speeds, _error(max(errors, default=None)))

    def to_json(self) -> dict[str, Any]:
        """Return all of it in plain JSON values."""
        return {
            "operation": self.operation,
            "arguments": self.arguments,
            "rungs": [vars(rung) | {"times_as_fast": self.times_as_fast(rung, self.rungs[0])} for rung in self.rungs],
        }

    def __str__(self) -> str:
        says = inspect.getdoc(getattr(ops, self.operation)) or ""
        given = ", ".join(f"{name} {_argument(value)}" for name, value in self.arguments.items() if value is not None)
        lines = [
            *textwrap.wrap(f"{self.operation}: {says.splitlines()[0]}", WIDTH),
            *textwrap.wrap(f"with {given}", WIDTH),
            "",
            _columns(_TABLE, "rung", "time", "× loops", "× above", "error", "where"),
        ]
        above: Rung | None = None
        for rung in self.rungs:
            times = (_times(self.times_as_fast(rung, than)) for than in (self.rungs[0], above))
            where = rung.note or rung.source.removeprefix("minicnn/")
            lines.append(_columns(_TABLE, rung.name, _seconds(rung.seconds), *times, _error(rung.error), where))
            above = rung if rung.seconds is not None else above
        return "\n".join([*lines, "", *LEGEND])


_TABLE = (-7, 7, 8, 8, 6, -39)  # widths of columns; negative ones begin at the left
_LINE = (-34, 8, 8, 8, 8, 8)


def _columns(widths: tuple[int, ...], *texts: str) -> str:
    return " ".join(
        f"{text:{'<' if width < 0 else '>'}{abs(width)}}" for width, text in zip(widths, texts, strict=True)
    ).rstrip()


HEADING = _columns(_LINE, "operation", "loops", "formula", "kernel", "GPU", "error")


def climb(name: str, side: int = SIDE) -> Ladder:
    """Call the operation `name` on every rung, and compare them.

    side: of the pictures, in pixels. Raises UsageError where there is no such operation.
    """
    sample = sample_call(name, side)
    operation = getattr(ops, name)
    loops = getattr(importlib.import_module(operation.__module__.replace(".ops.", ".loops.")), name)
    wanted = {**sample.forward, **sample.arguments}
    given = {key: _for_loops(key, wanted[key]) for key in inspect.signature(loops).parameters if key in wanted}
    begin = time.perf_counter()
    expected = _listed(loops(**given))
    rungs = [Rung("loops", place_of(loops), time.perf_counter() - begin)]
    rungs.append(_on_cpu("formula", operation, sample.arguments, expected))
    if operation.twin("cpu") is None:
        rungs.append(Rung("kernel", note="none: left to the formula"))
    else:
        rungs.append(_on_cpu("kernel", operation, sample.arguments, expected))
    rungs.append(_on_gpu(operation, sample.arguments, expected))
    shapes = {key: list(value.shape) if is_array(value) else value for key, value in sample.arguments.items()}
    return Ladder(name, shapes, tuple(rungs))


def _on_cpu(rung: str, operation: Any, arguments: dict[str, Any], expected: list[np.ndarray]) -> Rung:
    mode = "reference" if rung == "formula" else "fast"
    seen: list[Call] = []
    with use_kernels(mode):
        with observe(seen.append):
            results = _results(operation, arguments)
        if mode == "fast" and seen[-1].ran == "formula":
            return Rung(rung, note="leaves such arrays to the formula")
        seconds = _median_seconds(lambda copies: _clocked(lambda: operation(**copies)), arguments)
    source = place_of(operation.formula if mode == "reference" else operation.twin("cpu"))
    return Rung(rung, source, seconds, _difference(results, expected))


def _on_gpu(operation: Any, arguments: dict[str, Any], expected: list[np.ndarray]) -> Rung:
    try:
        cupy = require_cupy()
    except DeviceError as error:
        missing = "CuPy is not installed" if "not installed" in str(error) else "no GPU that works"
        return Rung("GPU", note=f"none here: {missing}")
    on_device = {key: to_device(value, "gpu") if is_array(value) else value for key, value in arguments.items()}

    def clocked(copies: dict[str, Any]) -> float:
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        operation(**copies)
        end.record()
        end.synchronize()
        return cupy.cuda.get_elapsed_time(start, end) / 1000

    with use_kernels("fast"):
        results = [to_numpy(result) for result in _results(operation, on_device)]
        seconds = _median_seconds(clocked, on_device)
    kernel = operation.twin("gpu")
    return Rung(
        "GPU", place_of(operation.formula if kernel is None else kernel), seconds, _difference(results, expected)
    )


def _results(operation: Any, arguments: dict[str, Any]) -> list[Any]:
    """Call an operation on copies; return what it returns, or the arrays that it changed in place."""
    copies = _copies(arguments)
    returned = operation(**copies)
    if returned is not None:
        return _listed(returned)
    return [copies[key] for key, value in arguments.items() if is_array(value) and bool((copies[key] != value).any())]


def _listed(returned: Any) -> list[Any]:
    return list(returned) if isinstance(returned, tuple) else [returned]


def _copies(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value.copy() if is_array(value) else value for key, value in arguments.items()}


def _median_seconds(clocked: Callable[[dict[str, Any]], float], arguments: dict[str, Any]) -> float:
    """Return the median time of several calls, each on arrays of its own."""
    seconds: list[float] = []
    while len(seconds) < LEAST_CALLS or (sum(seconds) < SECONDS and len(seconds) < MOST_CALLS):
        seconds.append(clocked(_copies(arguments)))
    return median(seconds)


def _clocked(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _for_loops(name: str, value: Any) -> Any:
    """Return an argument as the loops take it: every padding as ((top, bottom), (left, right))."""
    if name == "padding":
        return pad_amounts(value)
    if hasattr(value, "_fields"):  # the settings of a block
        parts = {field: _for_loops(field, part) for field, part in value._asdict().items()}
        return value._replace(**parts)
    return value


def _difference(results: list[Any], expected: list[Any]) -> float:
    """Return the largest error of a number, as a share of the largest number of its array.

    Whole numbers, such as an arg max, are right or wrong: an error of 1. Where the result beside them is 0, as in a
    window that ReLU has emptied, no index is better than another. Infinite where a number is none (NaN), or an array is
    missing or of another shape. What only one of the two returns, as a gradient that nobody needs, is not compared.
    """
    if len(results) < sum(right is not None for right in expected):
        return inf
    errors = [0.0]
    for got, right in zip(results, expected, strict=False):
        if got is None or right is None:
            continue
        got, right = np.asarray(got), np.asarray(right)
        if got.shape != right.shape:
            return inf
        if right.dtype.kind == "f":
            largest = float(np.abs(right).max(initial=0.0)) or 1.0
            error = float(np.abs(got - right).max(initial=0.0)) / largest
            errors.append(error if isfinite(error) else inf)
        else:
            beside = np.asarray(expected[0])
            counts = beside != 0 if beside.shape == right.shape else np.ones(right.shape, bool)
            errors.append(float((got != right)[counts].any()))
    return max(errors)


def _argument(value: Any) -> str:
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{seconds * factor:.{1 if seconds * factor < 100 else 0}f} {unit}"


def _times(times: float | None) -> str:
    return "–" if times is None else f"{times:,.0f}" if times >= 10 else f"{times:.1f}"


def _error(error: float | None) -> str:
    return "–" if error is None else "exact" if error == 0 else "wrong" if error == inf else f"{error:.0e}"
