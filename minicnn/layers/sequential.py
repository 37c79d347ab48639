"""A network as a list of layers, each reading what the one before it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.backend import Array
from minicnn.dispatch import kernel_mode
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.base import Layer, Shape, require_batch, require_dtype, shape_text, tree_changes
from minicnn.layers.passes import inside_a_pass, is_inside_a_pass, keeps_for_backward, read_only
from minicnn.layers.plan import Plan, kind_of_pass, make_plan, run_backward, run_forward


class Sequential(Layer):
    """Run layers one after the other.

    layers: in order; or by name, in a dict. input_shape: of one sample, (H, W, C) or (D,); all shapes are resolved and
    checked here, and the weights are drawn from `seed`. Left out, the network waits for `build` (a Sequential inside
    another layer). dtype: "float32", or "float64" for gradient checks. fuse: let fast mode run neighbours as one.

    Layers without a name are named by kind and number: conv1, relu1, pool1, conv2, …; each is an attribute of that name
    (net.conv1), and its parameters are conv1.weight, conv1.bias, ….
    Raises ShapeError that names the layer, its place, what it got and the likely cause.
    """

    kind = "sequential"

    def __init__(
        self, layers: Sequence[Layer] | Mapping[str, Layer], input_shape: Shape | None = None, seed: int = 0,
        dtype: str = "float32", fuse: bool = True,
    ) -> None:  # fmt: skip
        require_dtype(dtype)
        named = _named(layers)
        self._names = frozenset(named)
        self.fuse = fuse
        self.dtype = dtype
        self._layers = tuple(named.values())
        self._plans: dict[tuple[str, str, bool, bool, int], Plan] = {}
        self._ran: Plan | None = None  # what the last forward pass that keeps ran: backward walks back through it
        for name, layer in named.items():
            layer.name = name
            setattr(self, name, layer)
        if input_shape is not None:
            self.build(input_shape, np.random.default_rng(seed), dtype)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in order."""
        return self._layers

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; one of the layers is replaced by another that way, as in net.dense2 = Dense(5).

        Raises UsageError for what would leave a layer out, or hold one that never runs.
        """
        before = self.__dict__.get(name)
        if isinstance(before, Layer) or isinstance(value, Layer):
            if not isinstance(before, Layer) and name not in getattr(self, "_names", ()):
                raise UsageError(
                    f"{name} is no layer of this Sequential, which would never run it: put it into the list"
                )
            if not isinstance(value, Layer):
                raise UsageError(f"{name} of a Sequential can only be replaced by another layer, got {value!r}")
        super().__setattr__(name, value)
        if isinstance(before, Layer) and isinstance(value, Layer):
            self._layers = tuple(value if layer is before else layer for layer in self._layers)
            value.name = before.name

    def __delattr__(self, name: str) -> None:
        """Delete an attribute. Raises UsageError for one of the layers: make a new Sequential without it."""
        if isinstance(self.__dict__.get(name), Layer):
            raise UsageError(f"{name} cannot be taken out of a Sequential: make a new one of the layers that stay")
        super().__delattr__(name)

    def resolve(self, input_shape: Shape) -> Shape:
        shape = picture = input_shape  # the last feature map on the way, to explain a Dense that expects another one
        for place, layer in enumerate(self._layers, start=1):
            try:
                shape = layer.fix_shapes(shape)
            except ShapeError as error:
                raise ShapeError(f"{self._place(place)}: {error}{self._cause(picture, shape)}") from None
            picture = shape if len(shape) == 3 else picture
        return shape

    def _place(self, place: int) -> str:
        layer = self._layers[place - 1]
        return f"{layer.name} ({type(layer).__name__}, layer {place} of {len(self._layers)})"

    def _cause(self, picture: Shape, shape: Shape) -> str:
        if len(picture) != 3:
            return ""
        cause = f". The feature map there is {shape_text(picture)} (height × width × channels)"
        if len(shape) == 1 and shape[0] == np.prod(picture):
            cause += f", which is {shape[0]} numbers when flattened"
        return f"{cause}; the network's input is {shape_text(self.input_shape or ())}"

    def plan(self, training: bool = False) -> Plan:
        """Return the steps that a forward pass runs now, in the mode in force; printed, it says which and why."""
        return self.make_plan(kind_of_pass(training))

    def make_plan(self, kind: str) -> Plan:
        """Return the plan for a pass of that kind: "training", "gradient" or "inference"."""
        frozen = any(layer.frozen for layer in self._layers)
        rest = frozen and not is_inside_a_pass() and not keeps_for_backward(False)  # unless a gradient passes them
        key = kind, kernel_mode(), self.fuse, rest, tree_changes()
        if key not in self._plans:
            self._plans = {kept: plan for kept, plan in self._plans.items() if kept[-1] == key[-1]}
            self._plans[key] = make_plan(self._layers, kind, self.fuse, rest)
        return self._plans[key]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Run the batch x (N, *input_shape) through all layers; training=True turns dropout on.

        x must stay as it is until the backward pass. Returns the last layer's output, read-only where that is an array
        that backward reads. Raises ShapeError or TypeError for a batch of another shape or dtype.
        """
        self.require_built()
        assert self.input_shape is not None
        require_batch(x, self.input_shape, self.dtype, self.name or "the network")
        plan = self.plan(training)
        if not keeps_for_backward(training):
            return run_forward(plan, x, training)
        self._ran = None  # nothing to go back through if a step fails
        with inside_a_pass() as outermost:
            y = run_forward(plan, x, training)
        self._ran, self._returned = plan, (tuple(y.shape), y.dtype)
        return read_only(y) if outermost and plan.keeps(y) else y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """Run the gradient dy of the last forward pass's output back through all layers.

        Adds to every parameter's grad and returns dx like the input, or None if input_gradient is False, which spares
        the first layer the work. Raises RuntimeError unless a forward pass that keeps came before, ShapeError or
        TypeError for a dy that is not like what that pass returned.
        """
        plan = self.take("_ran")
        shape, dtype = self._returned
        if tuple(dy.shape) != shape or dy.dtype != dtype:
            kind = ShapeError if dy.dtype == dtype else TypeError
            self._ran = plan  # this was none
            raise kind(
                f"{self.name or 'the network'} returned {shape} in {dtype}, and its gradient dy should be like that; "
                f"it is {tuple(dy.shape)} in {dy.dtype}"
            )
        return run_backward(plan, dy, input_gradient)

    def head(self, count: int) -> Sequential:
        """Return the first `count` layers as a network of their own: the same layers, not copies."""
        return self._part(self._layers[:count])

    def tail(self, start: int) -> Sequential:
        """Return the layers from place `start` on (0, 1, …) as a network of their own: the same layers, not copies."""
        return self._part(self._layers[start:])

    def _part(self, layers: Sequence[Layer]) -> Sequential:
        self.require_built()
        part = Sequential({layer.name.rpartition(".")[2]: layer for layer in layers}, fuse=self.fuse)
        part.input_shape, part.output_shape = layers[0].input_shape, layers[-1].output_shape
        part.dtype, part.built = self.dtype, True
        return part

    def operations(self) -> int:
        """Return 0: all work is that of the layers inside."""
        return 0

    def output_numbers(self) -> int:
        """Return 0: the output is the last layer's."""
        return 0

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        from minicnn.layers import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Residual

        before = [Conv2D(3, 3, bias=False), BatchNorm2D(), ReLU()]  # batch norm would take a bias away again
        body = [Conv2D(4, 3, padding=1, bias=False), BatchNorm2D(), ReLU(), Conv2D(3, 1, bias=False), BatchNorm2D()]
        return [
            (cls([Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.3), Dense(5)]), (7, 8, 3)),
            (cls([*before, Residual(body), ReLU()]), (5, 6, 2)),
        ]

    def __repr__(self) -> str:
        return "Sequential(\n" + "".join(f"  {layer.name}: {layer!r},\n" for layer in self._layers) + ")"


def _named(layers: Sequence[Layer] | Mapping[str, Layer]) -> dict[str, Layer]:
    """Return the layers by name, those without one named by kind and number; raise UsageError for what is none."""
    named: dict[str, Layer] = {}
    if isinstance(layers, Mapping):
        named = dict(layers)
    elif isinstance(layers, Sequence):
        numbers: Counter[str] = Counter()
        for place, layer in enumerate(layers, start=1):
            if not isinstance(layer, Layer):
                raise UsageError(f"place {place} of a Sequential holds {layer!r}, which is no layer: write ReLU(), say")
            numbers[layer.kind] += 1
            while (name := f"{layer.kind}{numbers[layer.kind]}") in named:  # of a kind that ends in a number itself
                numbers[layer.kind] += 1
            named[name] = layer
    else:
        raise UsageError(f"a Sequential needs a list of layers, or a dict of them by name, got {layers!r}")
    if not named:
        raise UsageError("a Sequential needs at least one layer")
    for name, layer in named.items():
        if not isinstance(layer, Layer):
            raise UsageError(f"{name} of a Sequential is {layer!r}, which is no layer: write ReLU(), say")
        fits = isinstance(name, str) and name.isidentifier() and not name.startswith("_")
        if not fits or name in ("fuse", "input_shape", "output_shape") or hasattr(Sequential, name):
            raise UsageError(f"{name!r} cannot be a layer's name: take a word without dots or an underscore in front")
    if len({id(layer) for layer in named.values()}) < len(named):
        raise UsageError("the same layer object stands twice in a Sequential: make a new layer for each place")
    return named
