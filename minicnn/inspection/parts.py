"""The parts of a network that run, what each of them gets in a pass, and what a pass leaves behind.

A part is a step of a plan: a layer, or layers that run as one; and, inside a layer that holds others, each of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from minicnn.backend import Array, device_of
from minicnn.dispatch import Call, kernel_mode, use_kernels
from minicnn.inspection.gradient_report import Ran
from minicnn.layers.base import Layer
from minicnn.layers.plan import FusedStep, Step, inner_plans, layers_of
from minicnn.layers.sequential import Sequential
from minicnn.layers.tree import collect
from minicnn.layers.variables import Parameter, Randomness, State


@dataclass
class Part:
    """A step, its layers' dotted names, and what a recorded pass gave it: forward's arguments, and backward's dy."""

    step: Step
    layers: tuple[str, ...]
    x: Array | None = None
    dy: Array | None = None
    settings: tuple[tuple[Any, ...], dict[str, Any]] = field(default=((), {}))  # forward's arguments after x
    borrowed: bool = False  # whether its layers run one by one in this mode, and it gets what they get
    y_shape: tuple[int, ...] | None = None  # of what forward returned

    def forward(self, x: Array) -> Array:
        """Return what the step makes of x, when it is called as in the recorded pass."""
        arguments, named = self.settings
        y = self.step.forward(x, *arguments, **named)
        self.y_shape = tuple(y.shape)
        return y

    def wrong_shape(self) -> str | None:
        """Return in words that forward made of an x as expected another shape than `resolve` said, or None."""
        told, promised = layers_of(self.step)[0].input_shape, layers_of(self.step)[-1].output_shape
        if self.x is None or self.y_shape is None or self.x.shape[1:] != told or promised is None:
            return None
        if self.y_shape == (len(self.x), *promised):
            return None
        return (
            f"its forward pass returns an array of shape {self.y_shape} for {len(self.x)} samples, but its resolve "
            f"said that a sample's output has the shape {promised}"
        )

    def parameters(self) -> dict[str, Parameter]:
        """Return what its layers learn, by the name in the network."""
        return {
            f"{name}.{key}" if name else key: parameter
            for name, layer in zip(self.layers, layers_of(self.step), strict=True)
            for key, parameter in layer.parameters().items()
        }

    @property
    def differs_in_evaluation(self) -> bool:
        """Whether the layer itself computes another function in evaluation than in training."""
        return isinstance(self.step, Layer) and any(isinstance(v, State | Randomness) for v in vars(self.step).values())


def parts_of(net: Layer) -> list[Part]:
    """Return what a training pass of `net` runs in the mode in force, each part before those inside it.

    By the formulas every layer runs by itself; those that the kernels would run as one are parts too then, at the end,
    so that the formulas of running as one are seen. A Sequential is none: it does nothing but run its steps.
    """
    names = {id(layer): name for name, layer in net.walk()}

    def parts(borrowed: bool) -> list[Part]:
        return [
            Part(step, tuple(names[id(layer)] for layer in layers_of(step)), borrowed=borrowed)
            for step in _inside(net)
            if (isinstance(step, FusedStep) if borrowed else type(step) is not Sequential)
        ]

    if kernel_mode() != "reference":
        return parts(borrowed=False)
    with use_kernels("fast"):
        as_one = parts(borrowed=True)
    return [*parts(borrowed=False), *as_one]


def _inside(step: Step) -> Iterator[Step]:
    held: Sequence[Step]
    if isinstance(step, FusedStep):
        held = [inner for plan in inner_plans(step, "training").values() for inner in plan.steps]
    elif isinstance(step, Sequential):
        held = step.make_plan("training").steps
    else:
        held = list(step.children().values())
    for inner in held:
        yield inner
        yield from _inside(inner)


def hidden_layers(net: Layer) -> list[Part]:
    """Return the layers that layers of `net` hold where the tree does not look, in attributes with an underscore."""
    tree = {id(layer) for _, layer in net.walk()}
    found: dict[str, Layer] = {}
    for name, layer in net.walk():
        for attribute, value in vars(layer).items():
            collect(f"{name}.{attribute}" if name else attribute, value, Layer, found)
    return [Part(layer, (name,)) for name, layer in found.items() if id(layer) not in tree]


@contextmanager
def recording(parts: list[Part]) -> Iterator[None]:
    """Write down what each part gets in the forward and backward pass that run within the block."""
    called = [part for part in parts if not part.borrowed]
    for part in called:
        vars(part.step).update(forward=_recorded_forward(part), backward=_recorded_backward(part))
    try:
        yield
    finally:
        for part in called:
            del vars(part.step)["forward"], vars(part.step)["backward"]
    by_layer = {id(part.step): part for part in called}
    for part in parts:
        if part.borrowed:
            layers = layers_of(part.step)
            first, last = by_layer[id(layers[0])], by_layer[id(layers[-1])]
            part.x, part.dy, part.settings = first.x, last.dy, first.settings


def _recorded_forward(part: Part) -> Callable[..., Array]:
    original = part.step.forward

    def recorded(x: Array, *arguments: Any, **named: Any) -> Array:
        part.x, part.settings = x.copy(), (arguments, named)
        y = original(x, *arguments, **named)
        part.y_shape = tuple(y.shape)
        return y

    return recorded


def _recorded_backward(part: Part) -> Callable[..., Array | None]:
    original = part.step.backward

    def recorded(dy: Array, *arguments: Any, **named: Any) -> Array | None:
        part.dy = dy.copy()
        return original(dy, *arguments, **named)

    return recorded


class Memory:
    """What layers remember from pass to pass, running statistics and random generators, to be brought back."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        owned = [variable for layer in layers for variable in layer.variables().values()]
        self._states = [(state, state.value.copy()) for state in owned if isinstance(state, State)]
        generators = [rng for layer in layers for rng in layer.random_generators().values()]
        self._generators = [(rng, rng.bit_generator.state) for rng in generators]

    def restore(self) -> None:
        """Bring the layers back to where they were."""
        for state, value in self._states:
            state.value = value.copy()
        for rng, place in self._generators:
            rng.bit_generator.state = place


class Operations:
    """Which operations ran, and who computed them; given to `dispatch.observe`."""

    def __init__(self) -> None:
        self.ran = Ran()
        self.layers: list[Layer] = []  # that asked for them

    def __call__(self, call: Call) -> None:
        name = frozenset((call.name,))
        if call.ran != "formula":
            self.ran |= Ran(kernels=name)
        else:
            device = device_of(next(iter(call.arguments.values())))
            declined = kernel_mode() == "fast" and call.operation.twin(device) is not None  # type: ignore[attr-defined]
            self.ran |= Ran(formulas=name, declined=name if declined else frozenset())
        if isinstance(call.asked_by, Layer) and not any(call.asked_by is layer for layer in self.layers):
            self.layers.append(call.asked_by)
