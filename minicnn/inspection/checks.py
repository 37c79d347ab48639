"""Gradient checks of all that there is: every kind of layer at awkward settings, the loss, and whole networks."""

from __future__ import annotations

from itertools import count

from minicnn import layers, models
from minicnn.errors import ShapeError
from minicnn.inspection.gradcheck import gradcheck, gradcheck_loss
from minicnn.inspection.gradient_report import GradientReport
from minicnn.layers.base import Layer, Shape
from minicnn.training.losses import SoftmaxCrossEntropy

NETWORK_ELEMENTS = 8  # of each array of a network: its forward pass is run a few times for every one
CLASSES = 5


def layer_cases() -> list[tuple[Layer, Shape]]:
    """Return every public kind of layer at the settings at which gradients go wrong, with a sample's shape for each."""
    kinds = (getattr(layers, name) for name in layers.__all__)
    return [
        case
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Layer) and kind is not Layer
        for case in kind.examples()
    ]


def check_everything(model: str | None = None, seed: int = 0) -> list[tuple[str, GradientReport]]:
    """Check every kind of layer and the loss, and the network `model` at the smallest picture that it can read.

    model: a name in `minicnn.models`, or None for the layers and the loss alone. seed: of all random numbers. Returns
    (what was checked, its report) in order. Raises UsageError for an unknown model.
    """
    if model is not None:
        models.find(model)
    results = [(repr(layer), gradcheck(layer, shape, seed)) for layer, shape in layer_cases()]
    for smoothing in (0.0, 0.1):
        loss = SoftmaxCrossEntropy(smoothing)
        results.append((f"SoftmaxCrossEntropy(label_smoothing={smoothing})", gradcheck_loss(loss, CLASSES, seed)))
    if model is not None:
        size = smallest_image_size(model)
        network = models.build(model, (size, size, 3), CLASSES, seed)
        report = gradcheck(network, (size, size, 3), seed, loss=SoftmaxCrossEntropy(), elements=NETWORK_ELEMENTS)
        results.append((f"{model} on {size}×{size} pixels, with its loss", report))
    return results


def smallest_image_size(model: str) -> int:
    """Return the side, in pixels, of the smallest square colour picture that the network called `model` can read.

    Raises UsageError for an unknown model.
    """
    models.find(model)
    for size in count(1):
        try:
            models.outline(model, (size, size, 3))
        except ShapeError:
            continue
        return size
    raise AssertionError("count never ends")
