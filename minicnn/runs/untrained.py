"""A network that has learnt nothing yet, to look at: by its name, or from a file of the user's own."""

from __future__ import annotations

from minicnn import models
from minicnn.errors import UsageError
from minicnn.runs.network_file import NetworkFacts
from minicnn.runs.pixels import FITS
from minicnn.runs.trained import TrainedNetwork
from minicnn.training.normalization import Normalization


def is_model(name: str) -> bool:
    """Whether `name` is a network's name, or a file with the user's own network."""
    return name in models.MODELS or models.is_file(name)


def build_untrained(
    name: str, image_size: int | None = None, classes: int | None = None, seed: int = 0
) -> TrainedNetwork:
    """Build the network that `name` means with weights drawn from `seed`; its classes have numbers for names.

    image_size: side of the pictures in pixels, classes: how many; both as in its source where left out.
    Raises UsageError for an unknown name or a faulty file, ShapeError for pictures that are too small.
    """
    for what, value, least in (("--image-size", image_size, 1), ("--classes", classes, 1), ("--seed", seed, 0)):
        if value is not None and value < least:
            raise UsageError(f"{what} must be at least {least}; got {value}")
    model = models.find(name)
    size = image_size or model.image_size
    net = models.build(model, (size, size, 3), classes=classes, seed=seed)
    names = tuple(str(label) for label in range((net.output_shape or (0,))[0]))
    facts = NetworkFacts(model.name, (size, size, 3), names, names, Normalization(), FITS["squash"](size))
    return TrainedNetwork(net, facts, "cpu")
