"""RandAugment: a few changes out of many, drawn anew for each picture, all of one strength.

Source: Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space", §3. The
ranges are those of Cubuk et al. 2019, "AutoAugment", table 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from minicnn.data.transforms.base import RandomTransform
from minicnn.data.transforms.geometry import BILINEAR, Color
from minicnn.errors import UsageError

STRONGEST = 30  # the largest magnitude, with which a change goes to the end of its range
Change = Callable[[Image.Image, float, Color], Image.Image]  # strength: -1 … 1, either sign where a change has two


def _moved(image: Image.Image, matrix: tuple[float, ...], fill: Color) -> Image.Image:
    """Return the picture whose pixel (x, y) is the old one at (a·x + b·y + c, d·x + e·y + f)."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, BILINEAR, fillcolor=fill)


def _shear_x(image: Image.Image, strength: float, fill: Color) -> Image.Image:
    slope = 0.3 * strength
    return _moved(image, (1, slope, -slope * image.height / 2, 0, 1, 0), fill)


def _shear_y(image: Image.Image, strength: float, fill: Color) -> Image.Image:
    slope = 0.3 * strength
    return _moved(image, (1, 0, 0, slope, 1, -slope * image.width / 2), fill)


def _translate_x(image: Image.Image, strength: float, fill: Color) -> Image.Image:
    return _moved(image, (1, 0, 0.45 * strength * image.width, 0, 1, 0), fill)


def _translate_y(image: Image.Image, strength: float, fill: Color) -> Image.Image:
    return _moved(image, (1, 0, 0, 0, 1, 0.45 * strength * image.height), fill)


def _enhanced(kind: type[ImageEnhance._Enhance]) -> Change:
    """Return the change that mixes a picture with a plainer one (or takes that off) by a factor from 0.1 to 1.9."""
    return lambda image, strength, fill: kind(image).enhance(1 + 0.9 * strength)  # type: ignore[call-arg]


CHANGES: dict[str, Change] = {
    "identity": lambda image, strength, fill: image,
    "auto contrast": lambda image, strength, fill: ImageOps.autocontrast(image),
    "equalize": lambda image, strength, fill: ImageOps.equalize(image),
    "rotate": lambda image, strength, fill: image.rotate(30 * strength, BILINEAR, fillcolor=fill),
    "solarize": lambda image, strength, fill: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    "color": _enhanced(ImageEnhance.Color),
    "posterize": lambda image, strength, fill: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "shear x": _shear_x,
    "shear y": _shear_y,
    "translate x": _translate_x,
    "translate y": _translate_y,
}


@dataclass(frozen=True)
class RandAugment(RandomTransform):
    """Make `operations` changes, each drawn out of all CHANGES, to a strength of `magnitude` out of 30.

    Where a change has two directions, one is drawn. fill: the colour (red, green, blue; 0 to 255) of what comes into
    view. Raises UsageError for less than one operation and magnitudes outside 0 … 30.
    """

    operations: int = 2
    magnitude: float = 9
    fill: Color = (128, 128, 128)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fill", tuple(self.fill))
        if self.operations < 1 or not 0 <= self.magnitude <= STRONGEST:
            raise UsageError(f"RandAugment makes at least 1 change with a magnitude of 0 to {STRONGEST}; got {self}")

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        changes = list(CHANGES.values())
        for number in rng.integers(len(changes), size=self.operations):
            sign = 1 if rng.random() < 0.5 else -1
            image = changes[number](image, sign * self.magnitude / STRONGEST, self.fill)
        return image
