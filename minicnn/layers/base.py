"""What every layer is: a node of a tree of layers, with shapes resolved once, a forward and a backward pass.

To write a layer of your own, write four methods: `__init__`, `resolve`, `forward`, `backward` (see `Layer`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from minicnn.backend import Array, array_module, to_numpy
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.passes import Absent, is_inside_a_pass, keeps_for_backward, read_only
from minicnn.layers.tree import found_in, walk
from minicnn.layers.variables import Parameter, Randomness, Variable
from minicnn.layers.weights import load_variables, save_arrays
from minicnn.memory import release_with
from minicnn.ops.windows import as_whole

Shape = tuple[int, ...]  # of one sample, without the batch axis: (H, W, C) for a picture, (D,) for a vector
Self = TypeVar("Self", bound="Layer")
DTYPES = ("float32", "float64")

_changes = 0  # how often a layer was made part of another one: plans made before the last time may be out of date


def tree_changes() -> int:
    """Return a number that grows whenever a layer is put into a place of any tree."""
    return _changes


class Layer:
    """One step of a network, and a node of its tree: a layer may hold others, in attributes, lists, tuples or dicts.

    A layer of your own is a subclass that writes

    `__init__`   its settings, and the layers that it holds, as attributes (`self.conv = Conv2D(8, 3)`), or in lists,
                 tuples and dicts of them. They are found there by themselves: nothing is registered anywhere.
                 Attributes that begin with an underscore are not searched.
    `resolve`    its output's shape, from its input's, both without the batch axis. Here it fixes the shapes of the
                 layers that it holds (`shape = self.conv.fix_shapes(input_shape)`), and declares what it owns, once
                 the shapes are known:
                     self.scale = Parameter.declared((channels,), "ones")       learnt
                     self.average = State.declared((channels,), "zeros")        saved, but not learnt
                 No number is drawn yet, so that a shape that does not fit is found at once. A layer that draws random
                 numbers while training makes a `Randomness()` in `__init__`.
    `forward`    y from x (N, …), with `self.keep(training, x=x)` for what backward will need, which then stands on the
                 layer under that name until the backward pass; `training` is passed on to the layers that it holds.
    `backward`   dx from dy, which stays as it is, after `x = self.take("x")`, with `self.scale.accumulate(dscale)` for
                 what it learns; dx may be None where `input_gradient` is False.
    `operations` how many arithmetic operations its own part of the forward pass takes for one sample, for `summary`.
    `examples`   layers and input shapes to try it with; `minicnn gradcheck` and the tests take theirs from here.

    Parameter, State and Randomness are imported from minicnn, and found like layers. A state is changed by a new value:
    `self.average.value = …`. What is kept is an array or a number, never None. The attributes of every layer, such as
    `name`, `kind`, `dtype`, `built` and `state`, are taken. A trace shows what operations of `minicnn.ops` compute;
    what a layer computes in plain NumPy shows where it is handed on. A layer that keeps what it returns returns
    `self.hand_out(y)`.

    After a forward pass that failed midway, Sequential and Residual refuse to go back. A layer that holds others and
    stands in no Sequential does so as Residual does; else the layers inside may hold numbers of two passes.

    Everything else is given: parameters and state by dotted name, save and load, dtype and device, checkpoints, names,
    summary, gradient check and trace all walk this tree. Layers that run one after the other belong into a Sequential,
    whose plan runs neighbours as one where that is faster.
    """

    name: str = ""  # where it stands in its network: conv1, or residual2.body.conv1
    kind: str = "layer"  # what a Sequential numbers it by; the class's name in lower case unless the class says
    dtype: str = "float32"
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    built: bool = False  # whether its variables have values, and not shapes alone
    frozen: bool = False  # whether it stays as it is in training: see `freeze`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.kind == Layer.kind and not cls.__name__.startswith("_"):
            cls.kind = cls.__name__.lower()

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; a layer that is set becomes a part of the tree, and plans have to be made anew."""
        global _changes
        super().__setattr__(name, value)
        if isinstance(value, Layer):
            _changes += 1

    # What a subclass writes.

    def resolve(self, input_shape: Shape) -> Shape:
        """Return the output's shape for an input of `input_shape`, both without N, and declare what the layer owns.

        Raises ShapeError when the layer cannot read such an input.
        """
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the layer's output for a batch x (N, …)."""
        raise TypeError(f"{type(self).__name__} does not say what its forward pass is")

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """Add to the parameters' gradients and return dx, the gradient at the input (None if not asked for).

        Raises RuntimeError unless a forward pass that keeps came before: each allows one backward pass.
        """
        raise TypeError(f"{type(self).__name__} does not say what its backward pass is")

    def operations(self) -> int:
        """Return how many arithmetic operations a forward pass takes for one sample, without those of layers inside.

        Every multiplication, addition, comparison and function value counts as one.
        """
        raise TypeError(f"{type(self).__name__} does not say what it costs: write its method operations()")

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        """Return such layers, at the settings at which gradients go wrong, with a sample's shape for each."""
        raise TypeError(f"{cls.__name__} gives no examples to be checked with: write its classmethod examples()")

    def describe(self) -> str:
        """Return the layer's settings in a few words, as `summary` shows them."""
        return ""

    def output_numbers(self) -> int:
        """Return how many numbers of memory the output takes for one sample: 0 where it is the input, seen anew."""
        return prod(self.output_shape or ())

    def column_numbers(self) -> int:
        """Return how many numbers the formula's im2col matrix has for one sample; only convolutions have one."""
        return 0

    # The tree.

    def children(self) -> dict[str, Layer]:
        """Return the layers that this one holds, by name, in order: `conv`, or `branches.0` in a list, `heads.left`."""
        return found_in(self, Layer)

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield ("", this layer) and all layers inside it, by dotted name, in order.

        Raises UsageError when the same layer stands at two places.
        """
        seen: dict[int, str] = {}
        for name, layer in walk("", self):
            if id(layer) in seen:
                raise UsageError(
                    f"the same layer object stands at {seen[id(layer)] or 'the top'} and at {name}: "
                    "make a new layer for each place"
                )
            seen[id(layer)] = name
            yield name, layer

    def variables(self) -> dict[str, Variable]:
        """Return all parameters and states of the layer and of those inside it, by dotted name, in order."""
        return self._owned(Variable)

    def parameters(self) -> dict[str, Parameter]:
        """Return all that learns, by dotted name, in order: conv1.weight, conv1.bias, …"""
        return self._owned(Parameter)

    def state(self) -> dict[str, Array]:
        """Return the arrays that are saved, by dotted name: the parameters' values, and running statistics."""
        return {name: variable.value for name, variable in self.variables().items()}

    def random_generators(self) -> dict[str, np.random.Generator]:
        """Return the generators that the layers draw from while training, by dotted name, so that they can be saved."""
        sources = self._owned(Randomness)
        return {name: source.generator for name, source in sources.items() if source.generator is not None}

    def _owned(self, kind: type[Any]) -> dict[str, Any]:
        return {
            f"{path}.{name}" if path else name: value
            for path, layer in self.walk()
            for name, value in found_in(layer, kind).items()
        }

    # Construction: shapes first, then numbers.

    def fix_shapes(self, input_shape: Shape) -> Shape:
        """Fix the shapes of the layer and of those inside it, without drawing a number; return the output's.

        Raises ShapeError when `input_shape` is none, or the layer cannot read such an input; all is then as before.
        """
        if not isinstance(input_shape, tuple | list) or len(input_shape) not in (1, 3):
            raise ShapeError(f"input_shape {input_shape!r} should be (height, width, channels) or (numbers,)")
        global _changes
        _changes += 1  # what may run as one depends on what is settled here
        with _whole_or_not_at_all(self):
            self.built = False
            self.input_shape = tuple(as_whole(size, "input_shape") for size in input_shape)
            output_shape = self.resolve(self.input_shape)
            if not isinstance(output_shape, tuple | list) or not all(isinstance(size, int) for size in output_shape):
                raise ShapeError(
                    f"{self.name or type(self).__name__}: resolve should return the output's shape, such as (8, 8, 3), "
                    f"and returned {output_shape!r}"
                )
            self.output_shape = tuple(output_shape)
            return self.output_shape

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: str | None = None) -> Shape:
        """Fix all shapes, then draw all parameters with `rng`, and return the output's shape (without N).

        dtype: "float32" or "float64"; as the layer was told before, if left out. Raises ShapeError, before anything is
        drawn, when the layer cannot read such an input, and UsageError for another dtype, or when the same layer stands
        at two places. Whatever was raised, the layer is then as it was before.
        """
        dtype = dtype or self.dtype
        require_dtype(dtype)
        list(self.walk())  # refuses a layer inside of itself, which would have no end
        with _whole_or_not_at_all(self):
            output_shape = self.fix_shapes(input_shape)
            for path, layer in list(self.walk()):
                layer.name = path or layer.name
                layer.dtype = dtype
                layer.built = True
                for owned in found_in(layer, (Variable, Randomness)).values():
                    owned.draw(rng, dtype)
        release_with(self)
        return output_shape

    def convert(self, dtype: str | None = None, device: str | None = None) -> None:
        """Bring all parameters (and drop their gradients) and states to `dtype` and to `device`, each unless None.

        Raises UsageError for another dtype than float32 and float64, DeviceError where there is no GPU.
        """
        if dtype is not None:
            require_dtype(dtype)
        for variable in self.variables().values():
            variable.convert(dtype, device)
        for _, layer in self.walk():
            layer.dtype = dtype or layer.dtype

    def to(self: Self, device: str) -> Self:
        """Move all parameters and states to "cpu" or "gpu" and return the layer. Raises DeviceError without a GPU."""
        self.convert(device=device)
        return self

    def freeze(self, frozen: bool = True) -> None:
        """Let the layer and those inside it stay as they are in training; or, with False, let them learn again.

        Their parameters take up no gradient, and batch norm uses its running statistics and leaves them alone. Where
        nothing before them learns either, they run as in evaluation, and keep nothing for backward.
        """
        global _changes
        _changes += 1  # plans of what learns are out of date
        for _, layer in self.walk():
            layer.frozen = frozen
            for parameter in found_in(layer, Parameter).values():
                parameter.frozen = frozen
                parameter.grad = None if frozen else parameter.grad

    def save(self, path: str | Path) -> None:
        """Write all parameters and states to a safetensors file; it appears whole or not at all."""
        self.require_built()
        save_arrays({name: to_numpy(array) for name, array in self.state().items()}, path)

    def load(self, path: str | Path) -> None:
        """Read all parameters and states from a safetensors file that `save` wrote.

        Raises UsageError, changing nothing, when the file is damaged or is another network's.
        """
        self.require_built()
        load_variables(self.variables(), path)

    # What a pass keeps.

    def keep(self, training: bool, **kept: Any) -> None:
        """Keep what backward needs as attributes of these names, if the pass is one that backward may follow.

        That is a training pass, or one within `keep_for_backward()`; any other keeps nothing.
        """
        if keeps_for_backward(training):
            for name in kept:
                if isinstance(self.__dict__.get(name), Variable | Randomness | Layer):
                    raise UsageError(
                        f"{type(self).__name__} cannot keep {name!r} for backward: it is a part of the layer"
                    )
            self.__dict__.update(kept)

    def take(self, attribute: str) -> Any:
        """Return what forward kept as `attribute` and forget it, so that its memory is free for the layers below."""
        kept = self.__dict__.get(attribute)
        if kept is None or isinstance(kept, Absent):
            raise RuntimeError(
                f"{self.name or type(self).__name__}: backward needs a forward pass before it, with training=True or "
                "within keep_for_backward(), and each forward pass allows one backward pass"
            )
        self.__dict__[attribute] = None
        return kept

    def hand_out(self, y: Array) -> Array:
        """Return y for the caller, who may not change it if the layer keeps it for backward.

        A layer that runs within a network hands it to the next, which changes nothing; one that was called from
        elsewhere hands out a read-only view (of an array on a GPU a copy).
        """
        return read_only(y) if not is_inside_a_pass() and any(y is kept for kept in vars(self).values()) else y

    # What a layer asks of its input.

    def require_picture(self, input_shape: Shape) -> None:
        """Raise ShapeError unless `input_shape` is that of a picture, (H, W, C)."""
        if len(input_shape) != 3:
            raise ShapeError(
                f"{type(self).__name__} reads pictures (height, width, channels), but gets {shape_text(input_shape)}: "
                "a Flatten or Dense before it has already taken the picture apart"
            )

    def require_built(self) -> None:
        """Raise RuntimeError when the layer was never built."""
        if not self.built:
            missing = "shapes" if self.input_shape is None else "weights"
            raise RuntimeError(
                f"{type(self).__name__} has no {missing} yet: put it into a Sequential with an input_shape, "
                "or call build(input_shape, rng)"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.describe()})"

    def _repr_html_(self) -> str:
        from minicnn.layers.notebook import layer_html

        return layer_html(self)


@contextmanager
def _whole_or_not_at_all(layer: Layer) -> Iterator[None]:
    """Bring a layer, those inside it and what they own back to what they were if the block raises."""
    global _changes
    inside = [inner for _, inner in walk("", layer)]
    owned = [one for inner in inside for one in found_in(inner, (Variable, Randomness)).values()]
    before = [(vars(thing), dict(vars(thing))) for thing in (*inside, *owned)]
    try:
        yield
    except BaseException:
        for attributes, as_they_were in before:
            attributes.clear()
            attributes.update(as_they_were)
        _changes += 1
        raise


def require_dtype(dtype: str) -> None:
    """Raise UsageError unless `dtype` is one that a network can compute in."""
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r} should be 'float32' (training) or 'float64' (gradient checks)")


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: 3×3×256, or 10 numbers."""
    return "×".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} numbers"


def pair_text(pair: tuple[int, int]) -> str:
    """Return a pair of pixels as people write it: 2, or 2×3 where the two differ."""
    return str(pair[0]) if pair[0] == pair[1] else shape_text(pair)


def generators_state(layer: Layer) -> dict[str, Any]:
    """Return the state of all random generators of `layer`, ready for JSON."""
    return {name: rng.bit_generator.state for name, rng in layer.random_generators().items()}


def restore_generators(layer: Layer, state: dict[str, Any]) -> None:
    """Bring the random generators of `layer` back to a `state` from `generators_state`."""
    for name, rng in layer.random_generators().items():
        rng.bit_generator.state = state[name]


def require_batch(x: Array, input_shape: Shape, dtype: str, where: str) -> None:
    """Raise ShapeError or TypeError unless x is a batch of `input_shape` in `dtype`."""
    array_module(x)
    if tuple(x.shape[1:]) != input_shape:
        raise ShapeError(
            f"{where} was built for batches of shape (N, {', '.join(map(str, input_shape))}), but gets "
            f"{tuple(x.shape)}: pictures are (N, height, width, channels), and their size is part of the network"
        )
    if x.dtype != dtype:
        raise TypeError(f"{where} computes in {dtype}, but gets {x.dtype}: convert the batch with x.astype('{dtype}')")
