"""What every layer is: shapes resolved once by `build`, then forward and backward, and parameters with gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minicnn.backend import Array, array_module, device_of, mixed_devices, to_device
from minicnn.errors import ShapeError

Shape = tuple[int, ...]  # of one sample, without the batch axis: (H, W, C) for a picture, (D,) for a vector


class Parameter:
    """An array that learns: its `value`, and `grad`, the sum of the gradients since the last `zero_grad` (or None)."""

    def __init__(self, value: Array) -> None:
        self.value = value
        self.grad: Array | None = None

    def accumulate(self, gradient: Array) -> None:
        """Add `gradient`, of value's shape, to `grad`. Raises DeviceError unless all three live on one device."""
        device = device_of(gradient)
        if device_of(self.value) != device or (self.grad is not None and device_of(self.grad) != device):
            raise mixed_devices("a parameter", {"value": self.value, "grad": self.grad, "gradient": gradient})
        if self.grad is None:
            self.grad = gradient
        else:
            self.grad += gradient

    def __repr__(self) -> str:
        return f"Parameter(shape={self.value.shape}, dtype={self.value.dtype})"


class Layer:
    """One step of a network.

    A subclass writes `resolve` (its output's shape, from its input's), `forward` and `backward`, and keeps what
    backward needs in plainly named attributes, which hold an array from a forward pass until the backward pass that
    uses it up. One that learns also writes `parameter_shapes` and `make_parameters`. `name` is its place in the
    network, such as "conv2".
    """

    name: str = ""
    kind: str = "layer"  # what a network numbers it by: conv1, conv2, …
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    built: bool = False  # whether it has its parameters, and not its shapes alone

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: str = "float32") -> Shape:
        """Fix the layer's shapes, make its parameters with `rng`, and return its output's shape (without N).

        Raises ShapeError when the layer cannot read such an input.
        """
        output_shape = self.fix_shapes(input_shape)
        self.make_parameters(rng, dtype)
        self.built = True
        return output_shape

    def fix_shapes(self, input_shape: Shape) -> Shape:
        """Fix the layer's shapes alone, without parameters, and return its output's shape (without N).

        Raises ShapeError when the layer cannot read such an input.
        """
        self.input_shape = tuple(input_shape)
        self.output_shape = self.resolve(self.input_shape)
        return self.output_shape

    def resolve(self, input_shape: Shape) -> Shape:
        """Return the output's shape for an input of `input_shape`, both without N. Raises ShapeError."""
        return input_shape

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters' shapes by name, in order, as soon as the layer's own are fixed; most have none."""
        return {}

    def make_parameters(self, rng: np.random.Generator, dtype: str) -> None:
        """Make the layer's parameters; most layers have none."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the layer's output for a batch x (N, …)."""
        raise TypeError(f"{type(self).__name__} does not say what its forward pass is")

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """Add to the parameters' gradients and return dx, the gradient at the input (None if not asked for).

        Raises RuntimeError unless a forward pass came before: each allows one backward pass.
        """
        raise TypeError(f"{type(self).__name__} does not say what its backward pass is")

    def parameters(self) -> dict[str, Parameter]:
        """Return the layer's parameters by name, in order."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    def random_generators(self) -> dict[str, np.random.Generator]:
        """Return the generators that the layer draws from while training, by name, so that they can be saved."""
        return {}

    def convert(self, dtype: str | None = None, device: str | None = None) -> None:
        """Bring all parameters (and drop their gradients) to `dtype` and to `device`, each unless None."""
        for parameter in self.parameters().values():
            if dtype is not None:
                parameter.value = parameter.value.astype(dtype)
            if device is not None:
                parameter.value = to_device(parameter.value, device)
            parameter.grad = None

    def take(self, attribute: str) -> Any:
        """Return what forward kept as `attribute` and forget it, so that its memory is free for the layers below."""
        kept = getattr(self, attribute, None)
        if kept is None:
            raise RuntimeError(
                f"{self.name or type(self).__name__}: backward needs a forward pass before it, "
                "and each forward pass allows one backward pass"
            )
        setattr(self, attribute, None)
        return kept

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

    def describe(self) -> str:
        """Return the layer's settings in a few words, as `summary` shows them."""
        return ""


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


def walk(layer: Layer) -> Iterator[Layer]:
    """Yield `layer` and all layers inside it, in order."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from walk(inner)
