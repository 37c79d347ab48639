"""What colours pixels have: brightness, contrast, saturation, hue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from minicnn.data.transforms.base import RandomTransform
from minicnn.errors import UsageError


@dataclass(frozen=True)
class ColorJitter(RandomTransform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    brightness, contrast, saturation: v draws a factor from uniform(max(0, 1 - v), 1 + v); 0 leaves it alone.
        Factor f mixes the picture p with a plainer one q: f·p + (1 - f)·q, where q is black (brightness), the
        mean gray (contrast) or the picture in gray (saturation).
    hue: v ≤ 0.5 turns the colour circle by uniform(-v, v) of a full turn.
    Raises UsageError for values out of range.
    Source: Howard 2013, "Some improvements on deep convolutional neural network based image classification"
        (all but hue).
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        if min(self.brightness, self.contrast, self.saturation) < 0:
            raise UsageError(f"ColorJitter's brightness, contrast and saturation are at least 0; got {self}")
        if not 0 <= self.hue <= 0.5:
            raise UsageError(f"ColorJitter's hue is between 0 and 0.5 of a turn; got {self.hue}")

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for change in rng.permutation(4):
            if change == 0 and self.brightness:
                image = ImageEnhance.Brightness(image).enhance(_factor(self.brightness, rng))
            elif change == 1 and self.contrast:
                image = ImageEnhance.Contrast(image).enhance(_factor(self.contrast, rng))
            elif change == 2 and self.saturation:
                image = ImageEnhance.Color(image).enhance(_factor(self.saturation, rng))
            elif change == 3 and self.hue:
                image = turn_hue(image, rng.uniform(-self.hue, self.hue))
        return image


def turn_hue(image: Image.Image, turn: float) -> Image.Image:
    """Turn every pixel's hue by a part of a full turn; 1/3 makes red green, green blue and blue red."""
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int64) + round(turn * 256)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert("RGB")


def _factor(strength: float, rng: np.random.Generator) -> float:
    return rng.uniform(max(0.0, 1 - strength), 1 + strength)
