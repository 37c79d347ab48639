"""A network as a list of layers, each reading what the one before it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minicnn.backend import Array
from minicnn.dispatch import kernel_mode
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.base import Layer, Parameter, Shape, require_batch, shape_text
from minicnn.layers.conv_block import fuse as fuse_layers
from minicnn.layers.weights import load_weights, save_weights
from minicnn.ops.windows import as_whole


class Sequential(Layer):
    """Run layers one after the other.

    layers: in order. input_shape: of one sample, (H, W, C) or (D,); all shapes are resolved and checked here, and the
    weights are drawn from `seed`. Left out, the network waits for `build` (a Sequential inside another one).
    dtype: "float32", or "float64" for gradient checks. fuse: let fast mode run convolution, ReLU and max-pool as one.

    Layers are named by kind and number: conv1, relu1, pool1, conv2, …; parameters conv1.weight, conv1.bias, ….
    Raises ShapeError that names the layer, its place, what it got and the likely cause.
    """

    kind = "sequential"

    def __init__(
        self, layers: Sequence[Layer], input_shape: Shape | None = None, seed: int = 0, dtype: str = "float32",
        fuse: bool = True,
    ) -> None:  # fmt: skip
        if dtype not in ("float32", "float64"):
            raise UsageError(f"dtype {dtype!r} should be 'float32' (training) or 'float64' (gradient checks)")
        self.layers = tuple(layers)  # fixed: names, shapes and fused blocks are made for exactly these
        self.fuse = fuse
        self.dtype = dtype
        self._ran: Sequence[Layer] | None = None  # the steps of the last forward pass: what backward walks through
        if not self.layers:
            raise UsageError("a Sequential needs at least one layer")
        for place, layer in enumerate(self.layers, start=1):
            if not isinstance(layer, Layer):
                raise UsageError(f"place {place} of a Sequential holds {layer!r}, which is no layer: write ReLU(), say")
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise UsageError("the same layer object stands twice in a Sequential: make a new layer for each place")
        numbers: Counter[str] = Counter()
        for layer in self.layers:
            numbers[layer.kind] += 1
            layer.name = f"{layer.kind}{numbers[layer.kind]}"
        self._blocks = fuse_layers(self.layers)
        if input_shape is not None:
            self.build(input_shape, np.random.default_rng(seed), dtype)

    def fix_shapes(self, input_shape: Shape) -> Shape:
        """Resolve and check every layer's shapes in order, before any weight is drawn.

        Raises ShapeError for the first layer that cannot read what the one before it gives.
        """
        if not isinstance(input_shape, tuple | list) or len(input_shape) not in (1, 3):
            raise ShapeError(f"input_shape {input_shape!r} should be (height, width, channels) or (numbers,)")
        return super().fix_shapes(tuple(as_whole(size, "input_shape") for size in input_shape))

    def resolve(self, input_shape: Shape) -> Shape:
        shape = picture = input_shape  # the last feature map on the way, to explain a Dense that expects another one
        for place, layer in enumerate(self.layers, start=1):
            try:
                shape = layer.fix_shapes(shape)
            except ShapeError as error:
                raise ShapeError(f"{self._place(place)}: {error}{self._cause(picture, shape)}") from None
            picture = shape if len(shape) == 3 else picture
        return shape

    def make_parameters(self, rng: np.random.Generator, dtype: str) -> None:
        self.dtype = dtype
        for layer in self.layers:
            assert layer.input_shape is not None
            layer.build(layer.input_shape, rng, dtype)

    def _place(self, place: int) -> str:
        layer = self.layers[place - 1]
        return f"{layer.name} ({type(layer).__name__}, layer {place} of {len(self.layers)})"

    def _cause(self, picture: Shape, shape: Shape) -> str:
        if len(picture) != 3:
            return ""
        cause = f". The feature map there is {shape_text(picture)} (height × width × channels)"
        if len(shape) == 1 and shape[0] == np.prod(picture):
            cause += f", which is {shape[0]} numbers when flattened"
        return f"{cause}; the network's input is {shape_text(self.input_shape or ())}"

    def forward(self, x: Array, training: bool = False) -> Array:
        """Run the batch x (N, *input_shape) through all layers; training=True turns dropout on.

        Returns the last layer's output. Raises ShapeError or TypeError for a batch of another shape or dtype.
        """
        self.require_built()
        assert self.input_shape is not None
        require_batch(x, self.input_shape, self.dtype, self.name or "the network")
        self._ran = self._blocks if self.fuse and kernel_mode() == "fast" else self.layers
        for layer in self._ran:
            x = layer.forward(x, training)
        return x

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """Run the gradient dy of the last forward pass's output back through all layers.

        Adds to every parameter's grad and returns dx like the input, or None if input_gradient is False, which spares
        the first layer the work. Raises RuntimeError unless a forward pass came before.
        """
        steps = self.take("_ran")
        needed = input_gradient
        lowest = 0 if needed else next((i for i, step in enumerate(steps) if learns(step)), len(steps))
        for index in range(len(steps) - 1, -1, -1):
            dy = steps[index].backward(dy, input_gradient=needed or index > lowest)
            if dy is None:
                break
        return dy

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters in order, by dotted name."""
        return {
            f"{layer.name}.{name}": shape for layer in self.layers for name, shape in layer.parameter_shapes().items()
        }

    def parameters(self) -> dict[str, Parameter]:
        """Return all parameters in order, by dotted name: conv1.weight, conv1.bias, …"""
        return {
            f"{layer.name}.{name}": parameter for layer in self.layers for name, parameter in layer.parameters().items()
        }

    def random_generators(self) -> dict[str, np.random.Generator]:
        """Return the generators of all layers that draw random numbers, by dotted name."""
        return {f"{layer.name}.{name}": rng for layer in self.layers for name, rng in layer.random_generators().items()}

    def convert(self, dtype: str | None = None, device: str | None = None) -> None:
        """Bring all parameters to `dtype` and to `device`, each unless None."""
        for layer in self.layers:
            layer.convert(dtype, device)
        self.dtype = dtype or self.dtype

    def to(self, device: str) -> Sequential:
        """Move all parameters to "cpu" or "gpu" and return the network. Raises DeviceError where there is no GPU."""
        self.convert(device=device)
        return self

    def save(self, path: str | Path) -> None:
        """Write all parameters to a safetensors file; the file appears whole or not at all."""
        save_weights(self.parameters(), path)

    def load(self, path: str | Path) -> None:
        """Read all parameters from a safetensors file that `save` wrote.

        Raises UsageError, changing nothing, when the file is damaged or is another network's.
        """
        load_weights(self.parameters(), path)

    def __repr__(self) -> str:
        return "Sequential(\n" + "".join(f"  {layer.name}: {layer!r},\n" for layer in self.layers) + ")"


def learns(step: Layer) -> bool:
    """Return whether `step` has parameters of its own or, as a block, its convolution's."""
    return bool(step.parameters()) or hasattr(step, "conv")
