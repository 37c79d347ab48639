"""PyTorch's weights → a network's weights, and all that is needed to look at pictures with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from minicnn import models
from minicnn.data import imagenet_classes
from minicnn.errors import UsageError
from minicnn.exchange.torch_weights import from_torch
from minicnn.models.pretrained import PACKAGES
from minicnn.runs.network_file import NetworkFacts
from minicnn.runs.pixels import NORMALIZATIONS, center_crop


def import_weights(
    arrays: Mapping[str, np.ndarray], model: str, image_size: int | None = None, class_names: str | None = None
) -> tuple[NetworkFacts, dict[str, np.ndarray]]:
    """Return the facts about the network that PyTorch's weights are of, and the weights under minicnn's names.

    arrays: a state dict. model: a network with names in PyTorch. image_size: pixels; as the network's source has it if
    left out. class_names: a text file with a name on each line, in label order; ImageNet's, or numbers, if left out.
    Pictures are prepared as torchvision's networks were trained with; EfficientNet-Lite's as its own were.
    Raises UsageError where names or shapes do not fit, or the file has not as many names as there are classes.
    """
    network = models.known(model)
    size = network.image_size if image_size is None else image_size
    last = f"{network.torch_names()[-1]}.bias" if network.torch_names is not None else ""
    classes = arrays[last].shape[0] if last in arrays and arrays[last].ndim == 1 else network.classes
    folders, names = _class_names(classes, class_names)
    pixels = NORMALIZATIONS["lite" if model in PACKAGES else "imagenet"]
    transform = center_crop(size, "bicubic" if model in PACKAGES else "bilinear")
    facts = NetworkFacts(model, (size, size, 3), folders, names, pixels, transform)
    outline = models.outline(network, facts.input_shape, classes)
    return facts, from_torch(network, outline, arrays)


def _class_names(classes: int, file: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if file is not None:
        try:
            lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read as a text: {error}") from error
        names = tuple(line.strip() for line in lines if line.strip())
        if len(names) != classes:
            raise UsageError(f"{file} names {len(names)} classes, the weights have {classes}")
        return names, names
    if classes == len(imagenet_classes()):
        return tuple(c.synset for c in imagenet_classes()), tuple(c.name for c in imagenet_classes())
    numbers = tuple(map(str, range(classes)))
    return numbers, numbers
