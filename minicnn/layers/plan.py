"""The plan: which steps of a Sequential run, one layer each or several as one, and why.

Neighbouring layers may run as one operation, whose formula is their composition and whose kernel leaves out what
nobody needs, above all the trips of large arrays to memory. The layers stay what they are and own what they own; a
step only runs them. What to look for stands with each kind of step (`pattern`, `passes`, `why`); `RULES` lists the
kinds. A new rule is a class like `ConvBlock`, and one line there.

There are three kinds of passes: "training"; "gradient", which is evaluation that keeps what backward needs (see
`keep_for_backward`); and "inference", after which no backward pass comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from minicnn.backend import Array
from minicnn.dispatch import kernel_mode
from minicnn.layers.base import Layer
from minicnn.layers.passes import keeps_for_backward
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Randomness

PASSES = ("training", "gradient", "inference")


class Part(NamedTuple):
    """A place in a pattern: a layer of exactly this kind, or one of these, which may be missing if `optional`."""

    kinds: type[Layer] | tuple[type[Layer], ...]
    optional: bool = False


class FusedStep:
    """Layers that run as one. A subclass says which (`pattern`), in which passes, why, and how."""

    pattern: ClassVar[tuple[Part, ...]] = ()
    passes: ClassVar[tuple[str, ...]] = PASSES
    why: ClassVar[str] = ""

    def __init__(self, *parts: Layer | None) -> None:
        """Take the layers of the pattern's parts in order, None for one that is missing."""
        self.layers: tuple[Layer, ...] = tuple(part for part in parts if part is not None)

    @classmethod
    def suits(cls, *parts: Layer | None) -> bool:
        """Return whether layers that match the pattern can run as one, whatever else that takes."""
        return True

    def inner_plans(self) -> dict[str, Plan]:
        """Return the plans of the networks inside, by the name of their place, in order; most steps have none."""
        return {}

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the output of the last layer."""
        raise TypeError(f"{type(self).__name__} does not say what its forward pass is")

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """Do what the layers' backward passes do, and return the gradient at the first one's input."""
        raise TypeError(f"{type(self).__name__} does not say what its backward pass is")


Step = Layer | FusedStep


class Plan:
    """The steps that run for a list of layers in one kind of pass; printed, it says which and why."""

    def __init__(self, steps: Sequence[Step], kind: str, note: str, frozen: int = 0) -> None:
        self.steps = tuple(steps)
        self.frozen = frozen  # so many of the first steps run as in inference
        self.kind = kind
        self.note = note
        self.everything = tuple(inner for step in self.steps for layer in layers_of(step) for _, inner in layer.walk())
        learning = (index for index, step in enumerate(self.steps) if _learns(step))
        self.lowest = next(learning, len(self.steps))  # the first step that learns: no gradient is needed below it

    def __str__(self) -> str:
        return "\n".join([f"{self.kind} pass, {self.note}:", *self.lines()])

    __repr__ = __str__

    def keeps(self, y: Array) -> bool:
        """Return whether y is, or is a part of, an array that one of the layers keeps for backward."""
        memory = _memory_of(y)
        kept = (value for layer in self.everything for value in vars(layer).values())
        return any(_memory_of(value) is memory for value in kept if type(value) is type(y))

    def lines(self, indent: str = "  ") -> list[str]:
        """Return a line for each step, and for each step of a network inside it, further to the right."""
        lines = []
        for step in self.steps:
            names = " + ".join(_name(layer) for layer in layers_of(step))
            frozen = step in self.steps[: self.frozen]
            why = step.why if isinstance(step, FusedStep) else "by itself"
            lines.append(f"{indent}{names:34} {'frozen: ' if frozen else ''}{why}")
            for place, inner in inner_plans(step, "inference" if frozen else self.kind).items():
                lines += [f"{indent}  {place}:", *inner.lines(indent + "    ")]
        return lines


def make_plan(layers: Sequence[Layer], kind: str, fuse: bool = True, rest: bool = False) -> Plan:
    """Return the plan for `layers` in a pass of that kind.

    fuse: whether neighbours may run as one; reference mode runs every layer's own formula in any case. rest: let the
    frozen layers at the beginning of a training pass run as in inference, since no gradient has to reach them.
    """
    frozen = frozen_layers(layers) if rest and kind == "training" else 0
    if not fuse:
        return Plan(layers, kind, "every layer by itself, as the network was told (fuse=False)", frozen)
    if kernel_mode() == "reference":
        return Plan(layers, kind, "every layer by its own formula, in reference mode", frozen)
    resting = _fused(layers[:frozen], "inference")
    return Plan(
        [*resting, *_fused(layers[frozen:], kind)], kind, "neighbours as one where that is faster", len(resting)
    )


def frozen_layers(layers: Sequence[Layer]) -> int:
    """Return how many of the first layers give the same in training as in inference, as nothing in them learns.

    0 where none of these was frozen: a network that has no parameters there keeps what its input's gradient needs.
    """
    count = 0
    for layer in layers:
        inside = [inner for _, inner in layer.walk()]
        if _learns(layer) or any(found_in(inner, Randomness) for inner in inside):
            break
        count += 1
    return count if any(layer.parameters() for layer in layers[:count]) else 0


def _fused(layers: Sequence[Layer], kind: str) -> list[Step]:
    """Return the steps for `layers`, neighbours as one where a rule says so."""
    steps: list[Step] = []
    place = 0
    while place < len(layers):
        step = next((s for rule in rules() if (s := _match(rule, layers[place:], kind)) is not None), layers[place])
        steps.append(step)
        place += len(layers_of(step))
    return steps


def kind_of_pass(training: bool) -> str:
    """Return the kind of the pass that begins now."""
    return "training" if training else "gradient" if keeps_for_backward(training) else "inference"


def layers_of(step: Step) -> tuple[Layer, ...]:
    """Return the layers that a step runs, of those that the plan was made for."""
    return step.layers if isinstance(step, FusedStep) else (step,)


def inner_plans(step: Step, kind: str) -> dict[str, Plan]:
    """Return the plans of the networks inside a step, by the name of their place in it, in order."""
    if isinstance(step, FusedStep):
        return step.inner_plans()
    plans: dict[str, Plan] = {}
    for name, child in step.children().items():
        inner = {"": child.make_plan(kind)} if hasattr(child, "make_plan") else inner_plans(child, kind)
        plans |= {f"{name}.{place}".rstrip("."): plan for place, plan in inner.items()}
    return plans


def run_forward(plan: Plan, x: Array, training: bool) -> Array:
    """Run x through all steps."""
    for place, step in enumerate(plan.steps):
        x = step.forward(x, training and place >= plan.frozen)
    return x


def run_backward(plan: Plan, dy: Array, input_gradient: bool) -> Array | None:
    """Run dy back through all steps, down to the lowest that needs it; return dx, or None if not asked for."""
    for index in range(len(plan.steps) - 1, -1, -1):
        wanted = input_gradient or index > plan.lowest
        dx = plan.steps[index].backward(dy, input_gradient=wanted)
        if dx is None or not wanted:  # some steps have it at no cost
            return None
        dy = dx
    return dy


def rules() -> tuple[type[FusedStep], ...]:
    """Return the kinds of fused steps, those to be tried first before the others."""
    from minicnn.layers.conv_block import ConvBlock
    from minicnn.layers.folded_norm import FoldedBlock, FoldedResidual
    from minicnn.layers.norm_block import NormBlock, ResidualBlock

    return FoldedResidual, FoldedBlock, ResidualBlock, NormBlock, ConvBlock


def _match(rule: type[FusedStep], layers: Sequence[Layer], kind: str) -> FusedStep | None:
    """Return the step that runs as many of the first `layers` as the rule can take, at least two, or None."""
    if kind not in rule.passes:
        return None
    parts: list[Layer | None] = []
    place = 0
    for part in rule.pattern:
        kinds = part.kinds if isinstance(part.kinds, tuple) else (part.kinds,)
        if place < len(layers) and type(layers[place]) in kinds:
            parts.append(layers[place])
            place += 1
        elif part.optional:
            parts.append(None)
        else:
            return None
    return rule(*parts) if place > 1 and rule.suits(*parts) else None


def _memory_of(array: Array) -> Array:
    """Return the array that owns the memory of `array`, which may be a view of it."""
    base = getattr(array, "base", None)
    return array if base is None else base


def _learns(step: Step) -> bool:
    return any(not parameter.frozen for layer in layers_of(step) for parameter in layer.parameters().values())


def _name(layer: Layer) -> str:
    return layer.name.rpartition(".")[2] or type(layer).__name__
