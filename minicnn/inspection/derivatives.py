"""The gradients of a trace once more, by differences of the loss: no formula of a backward pass has a part in them.

What a gradient belongs to is changed a little, up and down, and the network runs again, in float64 and by the formulas:

    conv1.dweight    the parameter conv1.weight
    conv1.dx         what conv1 gets, and nobody else
    conv1.dy         what conv1 returns, wherever it goes
    conv1.dcolumns   the windows that conv1 reads, as rows: a change of one of their numbers changes what conv1 returns
                     by as much times the filters' weights there
    dlogits          what the loss gets

A gradient that is another one under another name, as a layer's dy is the next one's dx, is not taken twice. How the
differences are taken, and how it is known that they can be trusted, stands in `finite_differences`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.backend import Array, to_numpy
from minicnn.dispatch import use_kernels
from minicnn.inspection.finite_differences import Index, numeric_gradient
from minicnn.inspection.parts import Memory
from minicnn.inspection.trace import Trace, TracedArray
from minicnn.layers.base import Layer
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.sequential import Sequential
from minicnn.training.losses import SoftmaxCrossEntropy

ACCURACY = 1e-4  # how closely the differences must agree among themselves to be believed
PASSES = 8  # of the network that one derivative takes, in the mean: 5, and more near a kink
TRIES = 3  # numbers of an array, until one lies on no kink


@dataclass(frozen=True)
class Derivative:
    """One number of a gradient, at `index`, as backward has it and by differences of the loss.

    known: False where the differences do not agree among themselves: at a kink, such as ReLU's at 0, or where rounding
    hides so small a slope.
    """

    index: Index
    backward: float
    differences: float
    known: bool


class Differences:
    """Takes derivatives of a network's loss for one batch, by differences; the network stays as it is.

    net: built. x: a batch as `net.forward` takes it. labels: (N,) integers. training: the kind of pass, as for `trace`.
    seconds: that a pass of the network takes, in float64 and by the formulas.
    """

    def __init__(self, net: Layer, x: Array, labels: Array, training: bool = True) -> None:
        self._net = copy.deepcopy(net)
        self._net.to("cpu").convert("float64")
        self._x, self._labels, self._training = to_numpy(x).astype("float64"), to_numpy(labels), training
        self._layers = dict(self._net.walk())
        self._memory = Memory([self._net])
        self._calls = dict.fromkeys(self._layers, 0)
        self._reads: dict[str, np.ndarray] = {}  # what each layer gets in the network's own pass
        self._returns: dict[str, np.ndarray] = {}
        begin = time.perf_counter()
        self._logits = self._watched_pass()
        self.seconds = time.perf_counter() - begin

    def of(self, name: str, index: Index) -> tuple[float, bool] | None:
        """Return the derivative of the loss by one number, and whether it is known; None for what has no derivative.

        name: of a gradient, as a trace calls it, such as "conv1.dweight". index: of the number in it.
        """
        layer, _, own = name.rpartition(".")
        parameter = self._net.parameters().get(f"{layer}.{own[1:]}" if layer else own[1:])
        if own.startswith("d") and parameter is not None:
            return self._by_differences(parameter.value, index, self._from(layer))
        if name == "dlogits":
            logits = self._logits.copy()
            return self._by_differences(logits, index, lambda: self._loss(logits))
        once = self._calls.get(layer) == 1  # of several calls nobody knows which is meant
        if not once or own not in ("dx", "dy", "dcolumns"):
            return None
        if own == "dcolumns":
            return self._by_column(layer, *index)
        at_input = own == "dx"
        offset = np.zeros((self._reads if at_input else self._returns)[layer].shape)
        with self._moved(layer, at_input, lambda: offset):
            return self._by_differences(offset, index, self._from(layer))

    def _by_column(self, name: str, row: int, column: int) -> tuple[float, bool] | None:
        layer, y = self._layers[name], self._returns[name]
        if not isinstance(layer, Conv2D) or layer.groups > 1:  # each group has a matrix of its own
            return None
        change, filters = np.zeros(1), y.shape[-1]
        y_by_change = np.zeros(y.shape)
        y_by_change.reshape(-1, filters)[row] = layer.weight.value.reshape(-1, filters)[column]
        with self._moved(name, False, lambda: y_by_change * change):
            return self._by_differences(change, (0,), self._from(name))

    @contextmanager
    def _moved(self, name: str, at_input: bool, offset: Callable[[], np.ndarray]) -> Iterator[None]:
        """Add an offset to what a layer gets, or to what it returns, while the block runs."""
        layer = self._layers[name]
        original = layer.forward

        def moved(x: Array, *rest: Any, **named: Any) -> Array:
            if at_input:
                return original(x + offset(), *rest, **named)
            return original(x, *rest, **named) + offset()

        vars(layer)["forward"] = moved
        try:
            yield
        finally:
            del vars(layer)["forward"]

    def _by_differences(self, array: np.ndarray, index: Index, loss: Callable[[], np.ndarray]) -> tuple[float, bool]:
        with use_kernels("reference"):
            derivatives, _, known = numeric_gradient(loss, np.ones(1), array, [index], ACCURACY)
        return float(derivatives[0]), bool(known[0])

    def _from(self, name: str) -> Callable[[], np.ndarray]:
        """Return the loss as a function of what may be changed from the layer `name` on: only from there on it runs."""
        first, net, x = name.partition(".")[0], self._net, self._x
        if type(net) is Sequential and name:
            place = [layer.name for layer in net.layers].index(first)
            net, x = net.tail(place), self._reads[first]

        def loss() -> np.ndarray:
            self._memory.restore()
            return self._loss(net.forward(x, self._training))

        return loss

    def _loss(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(SoftmaxCrossEntropy().forward(logits, self._labels)).reshape(1)

    def _watched_pass(self) -> np.ndarray:
        """Run the network once, note what each layer gets and returns, and return the logits."""
        for name, layer in self._layers.items():
            vars(layer)["forward"] = self._watched(name, layer.forward)
        try:
            with use_kernels("reference"):
                return self._net.forward(self._x, self._training).copy()
        finally:
            for layer in self._layers.values():
                del vars(layer)["forward"]
            self._memory.restore()

    def _watched(self, name: str, forward: Callable[..., Array]) -> Callable[..., Array]:
        def watched(x: Array, *rest: Any, **named: Any) -> Array:
            self._calls[name] += 1
            self._reads[name] = x
            self._returns[name] = y = forward(x, *rest, **named)
            return y

        return watched


def derivative(t: Trace, differences: Differences, name: str, index: Index) -> Derivative | None:
    """Return one number of a gradient as a trace has it and by differences, or None for what has no derivative.

    differences: of the network, batch and kind of pass that were traced.
    """
    traced = t[name]
    found = differences.of(traced.name, index)
    if found is None and traced.formula.startswith("= ") and t[_other(traced)].shape == traced.shape:
        found = differences.of(_other(traced), index)
    return None if found is None else Derivative(index, float(traced.value[index]), *found)


def derivatives(
    t: Trace, differences: Differences, told: Callable[[str], None] = lambda name: None
) -> dict[str, Derivative]:
    """Return, for each gradient of a trace that has a derivative, that of its largest number away from kinks.

    told: is called with a gradient's name before its derivative is taken.
    """
    found: dict[str, Derivative] = {}
    for traced in t:
        if not is_gradient(t, traced.name) or not traced.value.size:
            continue
        same = found.get(_other(traced))
        if same is not None and t[_other(traced)].shape == traced.shape:
            found[traced.name] = same
            continue
        told(traced.name)
        for index in _largest(traced.value):
            one = derivative(t, differences, traced.name, index)
            if one is None:
                break
            found.setdefault(traced.name, one)
            if one.known:
                found[traced.name] = one
                break
    return found


def _largest(values: np.ndarray) -> list[Index]:
    """Return where the TRIES largest numbers are, the largest first, whatever their signs."""
    sizes = np.abs(values).ravel()
    tries = min(TRIES, sizes.size)
    chosen = np.argpartition(-sizes, tries - 1)[:tries]
    places = chosen[np.argsort(-sizes[chosen], kind="stable")]
    return [tuple(int(axis) for axis in np.unravel_index(place, values.shape)) for place in places]


def _other(traced: TracedArray) -> str:
    """Return the name that an array had before it got this one, "" if this is the first."""
    return traced.formula.removeprefix("= ").partition(",")[0] if traced.formula.startswith("= ") else ""


def is_gradient(t: Trace, name: str) -> bool:
    """Return whether an array of a trace is a gradient: dx, dx_body, dweight of a weight, dlogits of logits."""
    layer, _, own = name.rpartition(".")
    of = f"{layer}.{own[1:]}" if layer else own[1:]
    return own.startswith(("dx", "dy")) or (own.startswith("d") and of in t)


def seconds_for_all(t: Trace, differences: Differences) -> float:
    """Return how long `derivatives` of a trace will take, roughly."""
    gradients = sum(is_gradient(t, traced.name) and not _other(traced) for traced in t)
    return differences.seconds * PASSES * gradients / 2  # from the middle of the network on, in the mean
