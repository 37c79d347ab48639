"""Is backward the derivative of forward? Compare every gradient with differences of the forward pass, in float64.

A network is checked in two ways. Each part that runs (a layer, or layers that run as one, also inside a layer that
holds others) is checked by itself, with the input x that it gets in the network's own forward pass and the gradient dy
that it gets in the backward pass: so a mistake is found where it is. Then the whole is: so nothing that joins the
parts goes unseen. All of it twice, by the formulas and by the kernels, unless `use_kernels` or MINICNN_KERNELS asks
for one of them. How two gradients are compared stands in `compare`, what the parts are in `parts`.

What cannot be seen does not pass: a parameter without a gradient, a layer that never runs or that the tree does not
know, an array that changes nothing. Nor does a layer that overwrites what it was given, or whose output has another
shape than it said.
Source: Bishop 1995, "Neural Networks for Pattern Recognition", §4.8.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from minicnn.backend import Array, to_device
from minicnn.dispatch import observe, use_kernels
from minicnn.errors import ShapeError, UsageError
from minicnn.inspection.compare import Backward, Forward, compare_gradients
from minicnn.inspection.gradient_report import GradientReport, ModeCheck, PartCheck, modes_in_force
from minicnn.inspection.network_check import NetworkCheck
from minicnn.inspection.parts import Operations
from minicnn.layers.base import Layer, Shape
from minicnn.ops.windows import as_whole

SAMPLES = 2  # in a batch: with one alone, a forgotten sum or mean over the batch would not show
ELEMENTS = 40  # of a larger array that are checked
SPREAD = 5.0  # so many times as large as the others is every second sample: ReLU6 bends at 6
AWAY = 0.25  # from zeros and ones, how far a parameter is moved that begins as such


class Loss(Protocol):
    """What can stand behind a network, such as SoftmaxCrossEntropy."""

    def forward(self, logits: Array, labels: Array) -> Array: ...
    def backward(self) -> Array: ...


def gradcheck(
    layer: Layer, input_shape: Shape, seed: int = 0, *, loss: Loss | None = None, elements: int = ELEMENTS,
    device: str = "cpu", samples: int = SAMPLES,
) -> GradientReport:  # fmt: skip
    """Check the gradients of a layer or a network, at its input "x" and at all its parameters.

    layer: any Layer, built or not; it is copied and stays as it is. input_shape: of one sample, without N, as for
    Sequential. seed: of the random batch, the random weights r, and the parameters of a layer that is not yet built.
    loss: one to put behind a network that ends in logits, with random labels. elements: how many are checked of an
    array that has more; of a network as a whole NETWORK_ELEMENTS at most. device: where to compute, "cpu" or "gpu".
    samples: N, of the batch. Dropout keeps the same mask throughout, and running statistics stay what they are.
    Returns a report with .passed, .max_relative_error, .worst (name, index), .at_fault and .describe().
    Raises ShapeError when a built layer reads another shape, for a shape or number that is none, and where an output of
    another shape than was said stops the passes; UsageError when an output is not finite, not float64, or another one
    each time.
    """
    if not isinstance(layer, Layer):
        raise UsageError(f"gradcheck needs a layer or a network, got {type(layer).__name__}")
    samples, elements = as_whole(samples, "samples"), as_whole(elements, "elements")
    rng = generator(seed)
    net = _float64_copy(layer, input_shape, rng, device)
    pictures = rng.standard_normal((samples, *(net.input_shape or ())))
    pictures[1::2] *= SPREAD
    x = to_device(pictures, device)

    labels = None if loss is None else to_device(_random_labels(net.output_shape or (), samples, rng), device)

    def behind_loss(forward: Forward, backward: Backward) -> tuple[Forward, Backward]:
        return (forward, backward) if loss is None else _behind_loss(forward, backward, loss, labels)

    return _in_each_mode(NetworkCheck(net, x, behind_loss, elements, seed).check)


def gradcheck_loss(loss: Loss, classes: int = 5, seed: int = 0) -> GradientReport:
    """Check the gradient of a loss at the logits.

    loss: it is copied and stays as it is. classes: K. seed: of the random logits (N, K), called "x", and labels (N,).
    Returns a report as `gradcheck` does.
    """
    rng = generator(seed)
    logits, labels = rng.standard_normal((SAMPLES, classes)), _random_labels((classes,), SAMPLES, rng)
    forward, backward = _behind_loss(lambda x: x, lambda dy, x: {"x": dy}, loss, labels)
    return gradcheck_operation(forward, backward, {"x": logits}, seed)


def gradcheck_operation(
    forward: Forward, backward: Backward, arrays: Mapping[str, Array], seed: int = 0, *, elements: int = ELEMENTS
) -> GradientReport:
    """Check the gradients of any function, such as one of `minicnn.ops` and its backward.

        gradcheck_operation(ops.relu, lambda dy, x: {"x": ops.relu_backward(dy, ops.relu(x))}, {"x": x})

    forward: called as forward(**arrays), returns y. backward: called as backward(dy, **arrays), returns the gradient
    of each array by name. arrays: float64, the point to check at; they are copied. seed, elements: as for `gradcheck`.
    Returns a report as `gradcheck` does. Raises UsageError when y is not finite or anything is not float64.
    """
    generator(seed)
    elements = as_whole(elements, "elements")

    def copies() -> dict[str, Array]:
        return {name: array.copy() for name, array in arrays.items()}

    def check(mode: str, known: bool) -> ModeCheck:
        operations = Operations()
        with observe(operations):
            given = copies()
            backward(forward(**given).copy(), **given)
        if known and not operations.ran.kernels:
            return ModeCheck(mode, operations.ran, ())
        checks, overwritten = compare_gradients(forward, backward, copies(), generator(seed), elements)
        return ModeCheck(mode, operations.ran, (PartCheck(("",), checks, fault=overwritten),))

    return _in_each_mode(check)


def _in_each_mode(check: Callable[[str, bool], ModeCheck]) -> GradientReport:
    """Return what check(mode, known) finds in each mode in force; known: whether the formulas have been checked."""
    modes: list[ModeCheck] = []
    for mode in modes_in_force():
        with use_kernels(mode):
            modes.append(check(mode, bool(modes)))
    return GradientReport(tuple(modes))


def generator(seed: int) -> np.random.Generator:
    """Return the random numbers of `seed`. Raises UsageError below 0."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError(f"a seed is a whole number of at least 0; got {seed!r}")
    return np.random.default_rng(seed)


def _float64_copy(layer: Layer, input_shape: Shape, rng: np.random.Generator, device: str) -> Layer:
    if layer.input_shape is not None and input_shape not in (layer.input_shape, list(layer.input_shape)):
        raise ShapeError(
            f"this {type(layer).__name__} was built for samples of shape {layer.input_shape}, but gradcheck was told "
            f"{input_shape}: give the shape of one sample, without the batch"
        )
    layer = copy.deepcopy(layer)
    if not layer.built:
        layer.build(input_shape, rng, "float64")
        for parameter in layer.parameters().values():
            if (parameter.value == parameter.value.flat[0]).all():  # at a scale of 1, one that is forgotten is no error
                parameter.value = parameter.value + AWAY * rng.standard_normal(parameter.shape)
    layer.convert(dtype="float64", device=device)
    return layer


def _random_labels(output_shape: Shape, samples: int, rng: np.random.Generator) -> np.ndarray:
    if len(output_shape) != 1:
        raise ShapeError(f"a loss reads one row of logits a sample, but the network's output is {output_shape}")
    return rng.integers(output_shape[0], size=samples)


def _behind_loss(forward: Forward, backward: Backward, loss: Loss, labels: Array) -> tuple[Forward, Backward]:
    """Return forward and backward with a copy of `loss` at their end."""
    loss = copy.deepcopy(loss)

    def forward_with_loss(**arrays: Array) -> Array:
        return loss.forward(forward(**arrays), labels)

    def backward_with_loss(dy: Array, **arrays: Array) -> Mapping[str, Array | None]:
        forward_with_loss(**arrays)
        return backward(dy * loss.backward(), **arrays)

    return forward_with_loss, backward_with_loss
