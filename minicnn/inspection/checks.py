"""Gradient checks of all that there is: every kind of layer at awkward settings, the loss, and whole networks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from minicnn import layers, models, ops
from minicnn.dispatch import kernel_mode, observe
from minicnn.errors import ShapeError
from minicnn.inspection.gradcheck import ELEMENTS, SAMPLES, generator, gradcheck, gradcheck_loss
from minicnn.inspection.gradient_report import GradientReport, Ran
from minicnn.inspection.network_check import NETWORK_ELEMENTS
from minicnn.inspection.parts import Operations
from minicnn.layers.base import Layer, Shape
from minicnn.layers.variables import State
from minicnn.models.registry import LARGEST_SIZE
from minicnn.training.losses import SoftmaxCrossEntropy

CLASSES = 5
LARGEST_BATCH = 1 << 17  # numbers: no kernel asks for more
PIXELS_OF_STATISTICS = 4  # that a layer sees of which it keeps statistics: of two numbers, they leave nothing but signs


def layer_cases() -> list[tuple[Layer, Shape]]:
    """Return every public kind of layer at the settings at which gradients go wrong, with a sample's shape for each.

    Raises TypeError for a kind that gives no examples.
    """
    cases = []
    for kind in (getattr(layers, name) for name in layers.__all__):
        if isinstance(kind, type) and issubclass(kind, Layer) and kind is not Layer:
            examples = kind.examples()
            if not examples:
                raise TypeError(f"{kind.__name__}.examples() is empty, so that nothing of it would be checked")
            cases += examples
    return cases


def check_everything(model: str | None = None, seed: int = 0) -> Iterator[tuple[str, GradientReport]]:
    """Check every kind of layer and the loss, and the network `model` at the smallest picture that it can read.

    model: a name in `minicnn.models`, or None for the layers and the loss alone. seed: of all random numbers. By the
    formulas and by the kernels, as `gradcheck` does; the batches are as large as the kernels ask for. Returns
    (what was checked, its report) in order, each as soon as it is there. Raises UsageError, at once, for an unknown
    model or a seed below 0, TypeError for a kind of layer that gives no examples.
    """
    if model is not None:
        models.find(model)
    generator(seed)
    return _checks(layer_cases(), model, seed)


def _checks(cases: list[tuple[Layer, Shape]], model: str | None, seed: int) -> Iterator[tuple[str, GradientReport]]:
    for layer, shape in cases:
        samples = samples_for_kernels(layer, shape)
        elements = ELEMENTS if samples == SAMPLES else NETWORK_ELEMENTS
        yield repr(layer), gradcheck(layer, shape, seed, samples=samples, elements=elements)
    for settings in ({"label_smoothing": 0.0}, {"label_smoothing": 0.1}, {"class_weights": [1, 2, 0.5, 0, 3]}):
        name = ", ".join(f"{setting}={value}" for setting, value in settings.items())
        yield f"SoftmaxCrossEntropy({name})", gradcheck_loss(SoftmaxCrossEntropy(**settings), CLASSES, seed)
    if model is not None:
        size = smallest_image_size(model)
        network = models.build(model, (size, size, 3), CLASSES, seed)
        report = gradcheck(network, (size, size, 3), seed, loss=SoftmaxCrossEntropy(), elements=NETWORK_ELEMENTS)
        yield f"{model} on {size}×{size} pixels, with its loss", report


def samples_for_kernels(layer: Layer, input_shape: Shape) -> int:
    """Return the smallest batch of which the kernels leave nothing to the formulas because it is small.

    SAMPLES for a layer that holds others, which have examples of their own, and where no batch is large enough.
    """
    samples = SAMPLES
    if layer.children() or kernel_mode() == "reference":
        return samples
    layer = copy.deepcopy(layer)
    rng = np.random.default_rng(0)
    layer.build(input_shape, rng, "float64")
    while samples * prod(input_shape) <= LARGEST_BATCH:
        operations = Operations()
        with observe(operations):
            layer.backward(layer.forward(rng.standard_normal((samples, *input_shape)), training=True))
        if not operations.ran.declined:
            return samples
        samples *= 2
    return SAMPLES


class Coverage(NamedTuple):
    """Which operations with gradients a run of checks reached, by name.

    kernels: those that a kernel computed. formulas_alone: those whose kernel took none of the arrays. missed: those
    that never ran by their formula, although formulas were checked.
    """

    kernels: list[str]
    formulas_alone: list[str]
    missed: list[str]


def coverage(reports: Iterable[GradientReport]) -> Coverage:
    """Return which operations with gradients all `reports` together reached."""
    ran: dict[str, Ran] = {}
    for mode in (mode for report in reports for mode in report.modes):
        ran[mode.mode] = ran.get(mode.mode, Ran()) | mode.ran
    backward = {name for name in ops.__all__ if name.endswith("_backward")}
    gradients = backward | {name.removesuffix("_backward") for name in backward} & set(ops.__all__)
    missed = gradients - ran["reference"].formulas if "reference" in ran else set()
    with_kernel = {name for name in gradients - missed if getattr(ops, name).twin("cpu") is not None}
    kernels = ran["fast"].kernels if "fast" in ran else frozenset()
    return Coverage(sorted(kernels), sorted(with_kernel - kernels) if "fast" in ran else [], sorted(missed))


def smallest_image_size(model: str) -> int:
    """Return the side, in pixels, of the smallest square colour picture that the network called `model` can read.

    A layer that keeps statistics of its pixels (batch norm) sees at least PIXELS_OF_STATISTICS of them.
    Raises UsageError for an unknown model, ShapeError for one that reads none of up to LARGEST_SIZE.
    """
    found = models.find(model)
    for size, net in models.fitting_sizes(found):
        seen = [
            prod((layer.input_shape or ())[:-1])
            for _, layer in net.walk()
            if len(layer.input_shape or ()) == 3 and any(isinstance(value, State) for value in vars(layer).values())
        ]
        if min(seen, default=PIXELS_OF_STATISTICS) >= PIXELS_OF_STATISTICS:
            return size
    largest = f"{model} reads no picture of up to {LARGEST_SIZE}×{LARGEST_SIZE} pixels"
    try:
        models.outline(found, (LARGEST_SIZE, LARGEST_SIZE, 3))
    except ShapeError as error:
        raise ShapeError(f"{largest}: {error}") from None
    raise ShapeError(largest)
