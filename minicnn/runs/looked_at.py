"""What the commands that look inside look at: a network, learnt or not, and one picture with its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicnn.data.shapes import SHAPES_CLASSES, draw_shape
from minicnn.dispatch import use_kernels
from minicnn.errors import UsageError
from minicnn.models import MODELS
from minicnn.models.pretrained import PACKAGES
from minicnn.runs.trained import TrainedNetwork
from minicnn.runs.untrained import build_untrained, is_model


@dataclass(frozen=True)
class LookedAt:
    """A network and what it looks at.

    pixels: (H, W, 3) uint8, the picture at the network's size. x: (1, H, W, 3), as the network reads it. label: the
    class that the loss is taken for. title: all of it in a line.
    """

    network: TrainedNetwork
    pixels: np.ndarray
    x: np.ndarray
    label: int
    title: str


def open_network(
    name: str, checkpoint: str | None = None, model: str | None = None, image_size: int | None = None,
    classes: int | None = None, seed: int = 0,
) -> TrainedNetwork:  # fmt: skip
    """Open a run, a network's file or a pretrained network, or build one that has learnt nothing, by its name.

    checkpoint, model: of a run, as for `TrainedNetwork.open`. image_size, classes, seed: of a network that has learnt
    nothing, as for `build_untrained`. Raises UsageError when `name` is none of these, or has its own size and classes.
    """
    if is_model(name):
        if checkpoint is not None or model is not None:
            raise UsageError(
                f"{name} has learnt nothing, and has no weights to choose: leave out --checkpoint and --model"
            )
        return build_untrained(name, image_size, classes, seed)
    if not Path(name).exists() and name not in PACKAGES:
        raise UsageError(
            f"there is no run directory {name}, nor a network of that name: name a run, a network's file, FILE.py or "
            f"one of {', '.join(dict.fromkeys((*PACKAGES, *MODELS)))}"
        )
    if image_size is not None or classes is not None:
        raise UsageError(f"{name} has its own image size and classes: leave --image-size and --classes out")
    return TrainedNetwork.open(name, checkpoint, model=model)


def look_at(network: TrainedNetwork, image: str | None = None, label: str | None = None) -> LookedAt:
    """Let a network look at a picture, by the formulas: for one picture nothing need be compiled.

    image: an image file; a shape that is drawn, the same each time, if left out. label: what it shows, by name or
    number; if left out, what the network says, or the shape's where the network knows shapes.
    Raises UnreadableImage for what is no image, UsageError for a label that the network does not know.
    """
    facts = network.facts
    if image is None:
        shape = next((name for name in SHAPES_CLASSES if name in facts.classes), SHAPES_CLASSES[0])
        drawn = draw_shape(shape, max(facts.input_shape[:2]), np.random.default_rng(0))
        pixels, what = (
            np.asarray(facts.transform(drawn, np.random.default_rng(0))),
            f"a shape that is drawn for it ({shape})",
        )
        label = shape if label is None and shape in facts.classes else label
    else:
        pixels, what = network.picture(image), image
    with use_kernels("reference"):
        x = facts.normalization(pixels[None])
        said = int(network.net.forward(x)[0].argmax())
    number = said if label is None else _number_of(label, facts.classes, facts.class_names)
    why = "as the network says" if label is None else "as was told" if image is not None else "as was drawn"
    name = "" if facts.class_names[number] == str(number) else f" ({facts.class_names[number]})"
    title = f"{facts.model} looks at {what}; the loss is that of label {number}{name}, {why}"
    return LookedAt(network, pixels, x, number, title)


def _number_of(label: str, classes: Sequence[str], class_names: Sequence[str]) -> int:
    """Return the number of the class that `label` names. Raises UsageError when there is none."""
    for names in (classes, class_names):
        if label in names:
            return list(names).index(label)
    if label.isdecimal() and int(label) < len(classes):
        return int(label)
    raise UsageError(
        f"no class is called {label!r}: name one of {', '.join(class_names[:5])}, …, or 0 … {len(classes) - 1}"
    )
