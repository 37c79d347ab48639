"""One call of every operation, as layers, losses, optimizers and the transforms of pictures make them.

The calls are seen through `minicnn.dispatch.observe`, while small layers run on random numbers. They are large enough
for kernels to be at work, and small enough for loops in Python to end within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minicnn import layers, ops
from minicnn.backend import is_array
from minicnn.dispatch import Call, observe, use_kernels
from minicnn.errors import UsageError
from minicnn.layers.base import Layer, Shape
from minicnn.layers.passes import keep_for_backward
from minicnn.training.averaging import WeightAverage
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.optimizers import OPTIMIZERS, SGD

CLASSES = 10
SIDE = 32  # of pictures, in pixels
Scene = Callable[[np.random.Generator], Any]


class SampleCall(NamedTuple):
    """The arguments of one call of an operation, by name; of a backward pass also those of the forward pass before."""

    arguments: dict[str, Any]
    forward: dict[str, Any]


def sample_call(name: str, side: int = SIDE) -> SampleCall:
    """Return a call of the operation `name`, arrays in float32, the same each time.

    side: of the pictures, in pixels. Raises UsageError where there is no such operation.
    """
    if name not in ops.__all__:
        raise UsageError(f"unknown operation {name!r}: choose one of {', '.join(ops.__all__)}")
    for scene in _scenes(side):
        seen = _calls_in(scene)
        if name in seen:
            return SampleCall(seen[name], seen.get(name.removesuffix("_backward"), {}))
    raise LookupError(f"no scene calls {name}: add one")


def _calls_in(scene: Scene) -> dict[str, dict[str, Any]]:
    """Run a scene, and return by name the arguments of the first call of each operation in it."""
    seen: dict[str, dict[str, Any]] = {}

    def note(call: Call) -> None:
        seen.setdefault(call.name, {name: a.copy() if is_array(a) else a for name, a in call.arguments.items()})

    with use_kernels("reference"), observe(note):
        scene(np.random.default_rng(0))
    return seen


def _scenes(side: int) -> Iterator[Scene]:
    """Yield what there is to run: what stands for itself first, and last what needs kernels to run as one."""
    picture, smaller = (side, side, 16), (side // 2, side // 2, 8)
    for kind in (getattr(layers, name) for name in layers.__all__):
        if kind.__module__ == "minicnn.layers.activations":
            yield _passes(kind(), picture, samples=4)
    yield _passes(layers.Conv2D(16, 3), picture, samples=1)
    yield _passes(layers.MaxPool2D(2), picture, samples=4)
    yield _passes(layers.AvgPool2D(2), picture, samples=4)
    yield _passes(layers.GlobalAvgPool2D(), picture, samples=4)
    yield _passes(layers.Dense(128), (side * side,), samples=4)
    yield _passes(layers.Dropout(0.5), picture, samples=4)
    yield _passes(layers.BatchNorm2D(), smaller, samples=1)
    yield _passes(layers.BatchNorm2D(), picture, samples=4, training=False)
    yield _passes(layers.LayerNorm(), smaller, samples=4)
    yield _passes(layers.LocalResponseNorm(), smaller, samples=4)
    yield _passes(layers.Residual([layers.ReLU()]), picture, samples=4)
    yield _loss
    yield _soft_loss
    yield _updates
    yield _pictures(side)
    yield _bytes(side)
    block = [layers.Conv2D(16, 3), layers.ReLU(), layers.MaxPool2D(2)]
    yield _passes(layers.Sequential(block), picture, samples=1, kernels="fast")
    norm = [layers.Conv2D(8, 1), layers.BatchNorm2D(), layers.ReLU()]
    yield _passes(layers.Sequential(norm), smaller, samples=1, kernels="fast")


def _passes(layer: Layer, shape: Shape, samples: int, training: bool = True, kernels: str = "reference") -> Scene:
    """Return a scene that runs a layer forward and backward; kernels="fast" lets layers run as one."""

    def run(rng: np.random.Generator) -> None:
        layer.build(shape, rng, "float32")
        with use_kernels(kernels), keep_for_backward():
            y = layer.forward(_normal(rng, samples, *shape), training)
            layer.backward(_normal(rng, *y.shape))

    return run


def _loss(rng: np.random.Generator) -> None:
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    loss.forward(_normal(rng, 64, CLASSES), rng.integers(CLASSES, size=64))
    loss.backward()
    ops.softmax(_normal(rng, 64, CLASSES))


def _soft_loss(rng: np.random.Generator) -> None:
    loss = SoftmaxCrossEntropy()
    loss.forward(_normal(rng, 64, CLASSES), rng.integers(CLASSES, size=64), rng.integers(CLASSES, size=64), 0.7)
    loss.backward()


def _updates(rng: np.random.Generator) -> None:
    layer = layers.Dense(256)
    layer.build((512,), rng, "float32")
    average = WeightAverage(layer, 0.99)
    moving = SGD(layer.parameters(), lr=0.01, momentum=0.9)
    for memory in moving.state.values():
        memory["velocity"][...] = _normal(rng, *memory["velocity"].shape)  # else momentum shows at the second step only
    for optimizer in (moving, *(kind(layer.parameters(), lr=0.01) for kind in OPTIMIZERS.values())):
        layer.forward(_normal(rng, 8, 512), training=True)
        layer.backward(_normal(rng, 8, 256))
        optimizer.step()
    average.update(step=2)


def _pictures(side: int) -> Scene:
    """Return a scene that cuts pictures out of larger ones, mirrors some, and normalises them."""

    def run(rng: np.random.Generator) -> None:
        images = rng.integers(256, size=(32, side + 8, side + 8, 3), dtype="uint8")
        windows = rng.integers([-4, -4, 0], [12, 12, 2], size=(32, 3), dtype="int32")
        ops.normalize_pixels(ops.crop_and_flip(images, windows, (side, side)), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))

    return run


def _bytes(side: int) -> Scene:
    """Return a scene of what a quantised network computes; scales that are powers of 2 leave no rounding to chance."""

    def run(rng: np.random.Generator) -> None:
        picture = ops.quantize(_normal(rng, 4, side, side, 16), 2**-5, 128)
        ops.dequantize(picture, 2**-5, 128)
        ops.quantized_max_pool2d(picture, (2, 2), (2, 2), (0, 0))
        ops.quantized_residual(picture, picture[::-1], 0.5, 128, 0.5, 128, 128)
        filters, scale = ops.quantize_weight(_normal(rng, 3, 3, 16, 16))
        bias = np.zeros(16, "int32")
        ops.quantized_conv2d(picture[:1], filters, bias, scale / 2**9, 128, 128)
        units, scale = ops.quantize_weight(_normal(rng, side * 16, 16))
        ops.quantized_dense(picture[0].reshape(side, -1), units, bias, scale, 128, None)

    return run


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype="float32")
