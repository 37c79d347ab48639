"""The gradient check of a network: each part by itself, on what it gets in the network's own passes, and the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from minicnn.backend import Array
from minicnn.dispatch import observe, use_kernels
from minicnn.errors import ShapeError
from minicnn.inspection.compare import Backward, Forward, compare_gradients, rounding_of, weights_near
from minicnn.inspection.gradient_report import ModeCheck, PartCheck
from minicnn.inspection.parts import Memory, Operations, Part, hidden_layers, parts_of, recording
from minicnn.layers.base import Layer
from minicnn.layers.passes import keep_for_backward
from minicnn.layers.plan import layers_of

NETWORK_ELEMENTS = 8  # of an array that are checked in a network: its forward pass is run a few times for each
NETWORK_TOTAL = 100  # likewise of all its arrays together, though one of each

_NEVER_RAN = "its forward pass never ran, so that it cannot be checked"
_NOT_BACK = "its forward pass ran, and its backward pass never did"
_HIDDEN = (
    "it runs, but is no part of the tree of layers, so that it neither learns nor is saved: hold it in an attribute "
    "without an underscore in front, or in a list, tuple or dict there"
)

Passes = tuple[Forward, Backward]


class NetworkCheck:
    """What is checked: a network (or a single layer), in float64, on a batch x.

    end: puts a loss behind forward and backward, or leaves them as they are. elements: how many are checked of an
    array that has more. seed: of all that is chosen at random, the same in each mode.
    """

    def __init__(
        self, net: Layer, x: Array, end: Callable[[Forward, Backward], Passes], elements: int, seed: int
    ) -> None:  # fmt: skip
        self.net = net
        self.whole = Part(net, ("",), x, settings=((True,), {}))
        self.passes = end(*_passes(self.whole))
        self.elements = elements
        self.seed = seed

    def check(self, mode: str, formulas_checked: bool) -> ModeCheck:
        """Check every part and the whole in the mode in force; not again, if no kernel takes part."""
        rng = np.random.default_rng((self.seed, 1))
        operations = Operations()
        with observe(operations):
            parts, hidden = self._run(rng)
        ran = operations.ran
        if formulas_checked and not ran.kernels:
            return ModeCheck(mode, ran, ())
        checks = [*_faults(parts, hidden), *_misshapen([self.whole, *parts]), *self._strangers(operations, hidden)]
        for part, passes, evaluation in self._subjects(parts):
            operations = Operations()
            with observe(operations):
                _run_once(part, passes, rng)
            ran |= operations.ran
            if operations.ran.kernels or not formulas_checked:
                checks.append(replace(self._compare(part, passes, rng), evaluation=evaluation))
        return ModeCheck(mode, ran, tuple(self._excuse_what_cancels(checks, rng)))

    def _run(self, rng: np.random.Generator) -> tuple[list[Part], list[Part]]:
        """Run the network forward and backward; return its parts and the layers it hides, with what each got."""
        parts, hidden = parts_of(self.net), hidden_layers(self.net)
        with recording([*parts, *hidden]):
            try:
                _run_once(self.whole, self.passes, rng)
            except Exception as error:  # the layer behind may be the first to stumble
                wrong = [f"{' + '.join(part.layers)}: {fault}" for part in parts if (fault := part.wrong_shape())]
                if not wrong:
                    raise
                raise ShapeError(wrong[0]) from error
        return parts, hidden

    def _strangers(self, operations: Operations, hidden: list[Part]) -> Iterator[PartCheck]:
        """Yield the layers that computed something, and that are held where nobody would look for them."""
        seen = {id(layer) for _, layer in self.net.walk()} | {id(part.step) for part in hidden}
        for layer in operations.layers:
            if id(layer) not in seen:
                yield PartCheck((f"a {type(layer).__name__}",), fault=_HIDDEN)

    def _subjects(self, parts: list[Part]) -> Iterator[tuple[Part, Passes, bool]]:
        """Yield what is to be checked, with its passes: each part that ran, and the whole; in evaluation too (True)."""
        for part in parts:
            if part.x is not None and part.dy is not None:
                yield part, _passes(part), False
                if part.differs_in_evaluation:
                    yield part, _passes_in_evaluation(part), True
        yield self.whole, self.passes, False
        if self.whole.differs_in_evaluation:
            yield self.whole, _passes_in_evaluation(self.whole), True

    def _compare(self, part: Part, passes: Passes, rng: np.random.Generator) -> PartCheck:
        """Compare the gradients of a part at its input and at all that it learns."""
        arrays = _arrays(part)
        elements = self.elements
        if any(layer.children() for layer in layers_of(part.step)):
            elements = min(elements, NETWORK_ELEMENTS, max(1, NETWORK_TOTAL // len(arrays)))
        names = {} if part is self.whole else {"x": f"{part.layers[0]}.x", "y": f"the output of {part.layers[-1]}"}
        checks, overwritten = compare_gradients(*passes, arrays, rng, elements, names, part.dy)
        return PartCheck(part.layers, checks, fault=overwritten)

    def _excuse_what_cancels(self, checks: list[PartCheck], rng: np.random.Generator) -> list[PartCheck]:
        """Mark the parameters whose gradient is zero, but only because the layers behind take away what they do."""
        zero = {check.name for part in checks for check in part.checks if check.zero}
        if not zero & set(self.whole.parameters()):
            return checks
        with use_kernels("reference"):
            alive = {name for part in self._run(rng)[0] if part.dy is not None for name in _alive(part, rng)}
        return [
            replace(
                part, checks=tuple(replace(check, cancels=check.zero and check.name in alive) for check in part.checks)
            )
            for part in checks
        ]


def _passes(part: Part, training: bool = True) -> Passes:
    """Return the part's forward and backward pass as functions of its arrays; each begins with the same memory."""
    parameters = part.parameters()
    memory = Memory(layers_of(part.step))

    def forward(x: Array, **_: Array) -> Array:  # the other arrays are the layers' own parameters
        memory.restore()
        if training:
            return part.forward(x)
        with keep_for_backward():
            return part.step.forward(x)

    def backward(dy: Array, x: Array, **_: Array) -> dict[str, Array | None]:
        for parameter in parameters.values():
            parameter.grad = None
        forward(x)
        with nullcontext() if training else keep_for_backward():
            dx = part.step.backward(dy)
        return {"x": dx, **{name: parameter.grad for name, parameter in parameters.items()}}

    return forward, backward


def _passes_in_evaluation(part: Part) -> Passes:
    """Return the same as the part computes in evaluation, after a training pass that moved its running statistics."""
    part.forward(_arrays(part)["x"])
    return _passes(part, training=False)


def _run_once(part: Part, passes: Passes, rng: np.random.Generator) -> None:
    """Run a part forward and backward, with random weights for what comes out."""
    forward, backward = passes
    arrays = _arrays(part)
    backward(weights_near(forward(**arrays), part.dy, rng), **arrays)


def _arrays(part: Part) -> dict[str, Array]:
    """Return what a pass reads, by name: a copy of x, which nobody may spoil for the next check, and the parameters."""
    assert part.x is not None
    return {"x": part.x.copy(), **{name: parameter.value for name, parameter in part.parameters().items()}}


def _faults(parts: list[Part], hidden: list[Part]) -> Iterator[PartCheck]:
    """Yield what cannot be checked: parts that did not run, forward or backward, and layers outside the tree."""
    for part in parts:
        if part.dy is None and not part.borrowed:
            yield PartCheck(part.layers, fault=_NEVER_RAN if part.x is None else _NOT_BACK)
    for part in hidden:
        if part.x is not None:
            yield PartCheck(part.layers, fault=_HIDDEN)


def _misshapen(parts: list[Part]) -> Iterator[PartCheck]:
    """Yield the parts whose output has another shape than they said."""
    for part in parts:
        if (fault := part.wrong_shape()) is not None:
            yield PartCheck(part.layers, fault=fault)


def _alive(part: Part, rng: np.random.Generator) -> set[str]:
    """Return the parameters of a part to which its backward pass gives a gradient, from the dy that it gets.

    Each number of dy times a random one: then no sum of them is zero by chance, or by what comes behind.
    """
    forward, backward = _passes(part)
    arrays = _arrays(part)
    y = forward(**arrays)
    weights = weights_near(y, part.dy, rng)
    rounding = rounding_of(y, weights)
    gradients = backward(weights, **arrays)
    return {name for name, g in gradients.items() if name != "x" and g is not None and float(abs(g).max()) > rounding}
