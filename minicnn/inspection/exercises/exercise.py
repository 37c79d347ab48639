"""What an exercise is: an operation whose body the learner writes, what it is tried on, and how people get it wrong.

A mistake is known by what it computes: it comes with a formula of its own, the wrong one. Where the learner's numbers
are those of the wrong formula, that is what was done, however it is written, and the hint that fits is given.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minicnn.inspection.exercises.language import Text
from minicnn.ops.windows import pad_amounts

Function = Callable[..., Any]
Arguments = dict[str, Any]  # of one call, by name
Results = dict[str, Any]  # of one call, by name: what was returned, or the arguments that were changed


class Case(NamedTuple):
    """One call: its arguments, and what to say when everything before was right and this is not."""

    arguments: Arguments
    hint: Text | None = None


class Mistake(NamedTuple):
    """One way to get a result wrong.

    result: such as "dweight". wrong: what comes out then, from the call's arguments, as in lambda a: a.dy.T @ a.x; what
    was returned is there too, by its names. hint: what is wrong, and why.
    """

    result: str
    wrong: Callable[[SimpleNamespace], Any]
    hint: Text


class GradientCheck(NamedTuple):
    """How the learner's function is checked by finite differences: forward, backward and arrays of the gradient check.

    forward(**arrays) returns y; backward(function, dy, **arrays) returns the gradients by name.
    """

    forward: Function
    backward: Function
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Exercise:
    """An operation to write.

    operation: of `minicnn.ops`. what: it in a line. results: the names of what it returns, or, where it is in_place,
    of the arguments that it changes. cases: makes the calls, from the simple to the awkward, in float64 unless that is
    the point. mistakes: the first that fits is told. sizes: numbers that a result may be too large or too small by,
    of a call, such as {"N": 3}. errors: what an error of such a name may come from. given: what the learner's file
    keeps of the answer: helpers by name, and those `if` statements that ask for a variable of such a name. loops: what
    the slow loops of `minicnn.loops` give for a call, where they take other arguments than the operation. truth: the
    results that belong to a call, where they depend on what the learner chose (what was returned is its second
    argument); those of the loops otherwise. judge: looks at the function as a whole, and returns what is
    wrong with it, or None. gradients: for a backward pass. All are called with `use_kernels("reference")`.
    """

    operation: Any
    what: Text
    results: tuple[str, ...]
    cases: Callable[[np.random.Generator], Sequence[Case]]
    mistakes: tuple[Mistake, ...]
    sizes: Callable[[SimpleNamespace], dict[str, float]] = lambda a: {}
    errors: Mapping[str, Text] = field(default_factory=dict)
    in_place: bool = False
    given: tuple[str, ...] = ()
    loops: Callable[[SimpleNamespace], Any] | None = None
    truth: Callable[[Arguments, Results], Results] | None = None
    judge: Callable[[Function], Text | None] | None = None
    gradients: Callable[[np.random.Generator], GradientCheck] | None = None

    @property
    def name(self) -> str:
        """The operation's name, such as "conv2d_backward"."""
        return self.operation.__name__

    def named(self, arguments: Arguments, returned: Any) -> Results:
        """Return the results of a call by name: what it returned, or what it has made of its arguments."""
        if self.in_place:
            return {name: arguments[name] for name in self.results}
        return dict(zip(self.results, returned if len(self.results) > 1 else (returned,), strict=True))

    def true_results(self, arguments: Arguments, returned: Results) -> Results:
        """Return what a call with `arguments` should give, where the learner's function gave `returned`."""
        if self.truth is not None:
            return self.truth(arguments, returned)
        true = self._by_loops(arguments)
        dtype = next(value.dtype for value in arguments.values() if isinstance(value, np.ndarray))
        return {name: _in_dtype(value, dtype) for name, value in zip(self.results, true, strict=True)}

    def _by_loops(self, arguments: Arguments) -> Sequence[Any]:
        """Return what the slow loops make of a call, in the order of `results`."""
        if self.loops is not None:
            found = self.loops(SimpleNamespace(**arguments))
        else:
            room = importlib.import_module(self.operation.__module__.replace(".ops.", ".loops."))
            function = getattr(room, self.name)
            names = [name for name in inspect.signature(function).parameters if name in arguments]
            found = function(**{name: _for_loops(name, arguments[name]) for name in names})
        found = list(found) if len(self.results) > 1 else [found]
        asked = {"dx": "input_gradient", "argmax": "indices"}  # results that may be left out, and what asks for them
        return [
            value if arguments.get(asked.get(name, ""), True) else None
            for name, value in zip(self.results, found, strict=True)
        ]


def _for_loops(name: str, value: Any) -> Any:
    return pad_amounts(value) if name == "padding" else value


def _in_dtype(value: Any, dtype: Any) -> Any:
    """Return a result of the loops, in float64 where it is no whole number, in the dtype of the call's arrays."""
    return value if value is None or np.asarray(value).dtype.kind != "f" else np.asarray(value).astype(dtype)


def copies(arguments: Arguments) -> Arguments:
    """Return the arguments of a call with arrays of their own."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}


def in_float32(arguments: Arguments) -> Arguments:
    """Return the arguments of a call with float32 where they are float64."""
    return {
        name: value.astype("float32") if isinstance(value, np.ndarray) and value.dtype == "float64" else value
        for name, value in arguments.items()
    }
