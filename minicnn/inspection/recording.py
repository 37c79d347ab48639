"""What a trace is made of: every call of an operation taken down as it happens, then a name for each array.

`Recorder` is an observer (see `minicnn.dispatch.observe`); `Names` says what is called what.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array, is_array, to_numpy
from minicnn.dispatch import Call, observe, use_kernels
from minicnn.inspection.formulas import formula_of, handed_on_as, source_of
from minicnn.inspection.terms import result_names
from minicnn.layers.base import Layer
from minicnn.layers.passes import keep_for_backward
from minicnn.layers.plan import FusedStep
from minicnn.training.losses import SoftmaxCrossEntropy


@dataclass(eq=False)
class Snapshot:
    """An array as it was when an operation had it: a read-only copy.

    seen: the array itself, held while the pass runs, so that no other one takes its place in memory. same_as: the
    snapshot of the same numbers in another shape, where there is one.
    """

    value: np.ndarray
    seen: Array | None
    same_as: Snapshot | None = None
    view: bool = False  # whether the array was a part of another one


@dataclass(eq=False)
class Step:
    """One call of an operation, with copies of its arrays, and the calls that it made in turn."""

    operation: Callable[..., Any]
    arguments: dict[str, Any]  # a Snapshot for an array
    results: dict[str, Snapshot]
    ran: str
    layer: str
    backward: bool
    inside: list[Step]
    on_the_way: dict[str, Snapshot] = field(default_factory=dict)  # what its formula made for a call inside

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.__name__

    def made(self, name: str) -> np.ndarray:
        """Return the array that the call named so."""
        return (self.results.get(name) or self.on_the_way[name]).value

    def given(self) -> dict[str, Any]:
        """Return the arguments by name, arrays as NumPy arrays."""
        return {name: a.value if isinstance(a, Snapshot) else a for name, a in self.arguments.items()}

    def returned(self) -> dict[str, np.ndarray]:
        """Return the results by name."""
        return {name: snapshot.value for name, snapshot in self.results.items()}


class Named(NamedTuple):
    """An array that has a name, and where it comes from.

    step: the call that made it, which calls it `result`; None where it was given, or made by no operation. formula: how
    it is made. source: "file:line", or "".
    """

    snapshot: Snapshot
    formula: str
    source: str = ""
    step: Step | None = None
    result: str = ""


class Recorder:
    """Takes down every call of an operation, arrays and all, for a network whose layers have names."""

    def __init__(self, net: Layer) -> None:
        self.steps: list[Step] = []  # the calls that no other operation made
        self._paths = {id(layer): name for name, layer in net.walk()}
        self._returned: dict[int, list[Step]] = {}  # by depth: calls whose caller has not returned yet
        self._snapshots: dict[tuple[Any, ...], Snapshot] = {}

    def __call__(self, call: Call) -> None:
        results = call.result if isinstance(call.result, tuple) else (call.result,)
        named = zip(result_names(call.name, len(results)), results, strict=True)
        step = Step(
            call.operation,
            {name: self._snapshot(a) if is_array(a) else a for name, a in call.arguments.items()},
            {name: self._snapshot(a if is_array(a) else np.asarray(a)) for name, a in named if a is not None},
            call.ran, self._path(call.asked_by), call.direction == "backward", self._returned.pop(call.depth + 1, []),
        )  # fmt: skip
        (self.steps if call.depth == 0 else self._returned.setdefault(call.depth, [])).append(step)

    def end(self) -> None:
        """Let go of the pass' own arrays: the copies are enough from now on."""
        for snapshot in self._snapshots.values():
            snapshot.seen = None
        self._snapshots.clear()

    def _path(self, asked_by: object) -> str:
        """Return the dotted name of the layer that asked; of several that run as one, joined by +; "" of the loss."""
        if isinstance(asked_by, FusedStep):
            paths = [self._paths[id(layer)] for layer in asked_by.layers]
            neighbours = len({path.rpartition(".")[0] for path in paths}) == 1
            return "+".join([paths[0], *(path.rpartition(".")[2] if neighbours else path for path in paths[1:])])
        if isinstance(asked_by, Layer):
            return self._paths.get(id(asked_by), asked_by.kind)
        return ""

    def _snapshot(self, array: Array) -> Snapshot:
        """Return a copy of the array: the one that was made before if it still holds the same numbers."""
        key = _memory(array)
        before = self._snapshots.get(key)
        value = to_numpy(array)
        unchanged = before is not None and _same_numbers(before.value.reshape(-1), value.reshape(-1))
        if before is not None and unchanged and before.value.shape == value.shape:
            return before
        if before is not None and unchanged:  # the same memory in another shape: Flatten
            snapshot = Snapshot(before.value.reshape(value.shape), before.seen, same_as=before)
        else:
            copied = np.array(value, order="C")
            copied.flags.writeable = False
            snapshot = Snapshot(copied, array, view=getattr(array, "base", None) is not None)
        self._snapshots[key] = snapshot
        return snapshot


def record_pass(
    net: Layer, x: Array, labels: Array | None, kernels: str, training: bool, loss: SoftmaxCrossEntropy | None = None
) -> tuple[Layer, Recorder]:
    """Run a copy of a network forward, and with labels backward; return the copy, and a recorder of all its calls.

    The arguments are those of `minicnn.trace`. Who has no more use for the pass' own arrays ends the recorder.
    """
    net = copy.deepcopy(net)
    for parameter in net.parameters().values():
        parameter.grad = None
    loss = copy.deepcopy(loss) or SoftmaxCrossEntropy()
    recorder = Recorder(net)
    with use_kernels(kernels), observe(recorder), keep_for_backward():
        logits = net.forward(x, training)
        if labels is not None:
            loss.forward(logits, labels)
            net.backward(loss.backward())
    return net, recorder


def _memory(array: Array) -> tuple[Any, ...]:
    """Return what tells an array's memory from that of all others alive."""
    if not isinstance(array, np.ndarray):
        return (id(array),)
    layout = None if array.flags.c_contiguous else array.strides
    return array.__array_interface__["data"][0], array.nbytes, array.dtype.str, layout


def _same_numbers(a: np.ndarray, b: np.ndarray) -> bool:
    """NaN in the same places counts as the same."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@dataclass
class _Alike:
    """Arrays that a layer makes several times under one name: y, y2, y3, of a grouped convolution perhaps hundreds."""

    count: int = 0
    unread: list[Snapshot] = field(default_factory=list)
    read: set[int] = field(default_factory=set)  # hashes of what the others hold

    def holds(self, snapshot: Snapshot) -> bool:
        """Return whether one of them has the same shape and numbers."""
        if not self.count:
            return False
        self.read.update(map(_hash, self.unread))
        self.unread.clear()
        return _hash(snapshot) in self.read

    def add(self, snapshot: Snapshot, first: str) -> str:
        """Add one more, and return its name."""
        self.count += 1
        self.unread.append(snapshot)
        return first if self.count == 1 else f"{first}{self.count}"


def _hash(snapshot: Snapshot) -> int:
    return hash((snapshot.value.shape, snapshot.value.tobytes()))


class Names:
    """Gives the arrays of recorded calls their names, by the rules that stand in `minicnn.inspection.trace`.

    given: arrays that no operation made, and what to say of each: the batch, the labels, the network's variables.
    """

    def __init__(self, given: Sequence[tuple[Array, str]]) -> None:
        self.arrays: dict[str, Named] = {}  # in the order in which they were made
        self._given = given
        self._taken: set[str] = set()  # names that are, or are going to be, in `arrays`
        self._alike: dict[str, _Alike] = {}  # by the name of the first: arrays that are numbered, as in a loop
        self._outer: set[str] = set()  # names of what layers' own calls, not those inside these, got and returned
        self._names: dict[int, dict[str, str]] = {}  # of a snapshot, by its id: layer → name

    def take(self, step: Step, above: tuple[Step, ...] = ()) -> None:
        """Name what a call was given, what its formula and the calls inside it made, and what it returned.

        above: the calls that it was made in, outermost first.
        """
        if not above:
            self._outer |= {_full(step, name) for name in (*step.arguments, *step.results)}
        for name, snapshot in step.arguments.items():
            if isinstance(snapshot, Snapshot) and above:
                self._take_handed_on(step, name, snapshot, above)
            elif isinstance(snapshot, Snapshot):
                self._take_argument(step, name, snapshot)
        results = {}
        for place, (result, snapshot) in enumerate(step.results.items()):
            full = self._free_name(step, result, snapshot, above)
            if full is not None:
                source = source_of(step.operation, result, place, step.ran)
                results[full] = Named(snapshot, formula_of(step.operation, result), source, step, result)
        for inner in step.inside:
            self.take(inner, (*above, step))
        self.arrays.update(results)

    def _take_argument(self, step: Step, name: str, snapshot: Snapshot) -> None:
        """Name what a layer gave to its operation: mostly what another layer returned, under its name here."""
        other = self._name_of(snapshot)
        full = self._free_name(step, name, snapshot)
        if full is None:
            return
        if other is not None:
            known = self.arrays[other]
            shape = "" if known.snapshot.value.shape == snapshot.value.shape else ", in another shape"
            self.arrays[full] = known._replace(snapshot=snapshot, formula=f"= {other}{shape}")
        else:
            said = (text for array, text in self._given if array is snapshot.seen)
            self.arrays[full] = Named(snapshot, next(said, "made without an operation"))

    def _take_handed_on(self, step: Step, name: str, snapshot: Snapshot, above: tuple[Step, ...]) -> None:
        """Name what a formula made on the way and handed to another operation: the dcolumns that col2im gets."""
        if snapshot.view or self._name_of(snapshot) is not None:
            return
        maker = above[-1]
        name = handed_on_as(maker.operation, step.operation, name) or f"{step.name}.{name}"
        full = self._free_name(maker, name, snapshot, above[:-1])
        if full is not None:
            maker.on_the_way[name] = snapshot
            source = source_of(maker.operation, name, None, maker.ran)
            self.arrays[full] = Named(snapshot, formula_of(maker.operation, name), source, maker, name)

    def _free_name(self, step: Step, name: str, snapshot: Snapshot, above: tuple[Step, ...] = ()) -> str | None:
        """Return a name for an array of a call, taken from now on, or None if it has one there or needs none."""
        if step.layer in self._names.get(id(snapshot), {}):
            return None
        if above and _full(step, name) in self._outer:
            if any(outer.operation is step.operation for outer in above):
                return None  # one group's part of a convolution's own array
            name = f"{step.name}.{name}"
        first = _full(step, name)
        alike = self._alike.setdefault(first, _Alike())
        if step.backward and alike.holds(snapshot):
            return None  # backward computes anew what forward has shown
        full = alike.add(snapshot, first)
        while full in self._taken:
            full = alike.add(snapshot, first)
        self._taken.add(full)
        self._names.setdefault(id(snapshot), {})[step.layer] = full
        return full

    def _name_of(self, snapshot: Snapshot | None) -> str | None:
        """Return a name that an array has already, in this shape or another one."""
        while snapshot is not None:
            names = [name for name in self._names.get(id(snapshot), {}).values() if name in self.arrays]
            if names:
                return names[0]
            snapshot = snapshot.same_as
        return None


def _full(step: Step, name: str) -> str:
    return f"{step.layer}.{name}" if step.layer else name
