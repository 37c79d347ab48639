"""Parts of a picture taken away, so that a network cannot rely on any one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from minicnn.data.transforms.base import RandomTransform, ordered_pair
from minicnn.data.transforms.geometry import Color
from minicnn.errors import UsageError

ATTEMPTS = 10  # draws of a box that does not fit, after which the picture stays as it is


@dataclass(frozen=True)
class RandomErasing(RandomTransform):
    """Fill a random box of a picture, with a probability.

    area = uniform(area)·H·W;  height/width = exp(uniform(log ratio)), so that tall and wide boxes are as frequent
    area: fractions of the picture's. ratio: heights over widths. fill: a colour (red, green, blue; 0 to 255), or None
    for a random one in each pixel, which did best in the paper.
    Source: Zhong et al. 2020, "Random erasing data augmentation", algorithm 1. Raises UsageError for values out of
    range.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    ratio: tuple[float, float] = (0.3, 1 / 0.3)
    fill: Color | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "area", ordered_pair("RandomErasing's area", self.area, 0))
        object.__setattr__(self, "ratio", ordered_pair("RandomErasing's ratio", self.ratio, 0))
        object.__setattr__(self, "fill", None if self.fill is None else tuple(self.fill))
        if not 0 <= self.probability <= 1 or self.area[1] > 1:
            raise UsageError(f"RandomErasing's probability and area are between 0 and 1; got {self}")

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        if rng.random() >= self.probability:
            return image
        for _ in range(ATTEMPTS):
            area = rng.uniform(*self.area) * image.height * image.width
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < height < image.height and 0 < width < image.width:
                top = int(rng.integers(image.height - height + 1))
                left = int(rng.integers(image.width - width + 1))
                size = (height, width, 3)
                colors = rng.integers(256, size=size, dtype=np.uint8) if self.fill is None else self.fill
                return _filled(image, top, left, height, width, colors)
        return image


@dataclass(frozen=True)
class Cutout(RandomTransform):
    """Fill a square of `size` pixels about a random pixel; what of it reaches beyond the picture's border is left out.

    fill: the colour (red, green, blue; 0 to 255). Source: DeVries & Taylor 2017, "Improved regularization of
    convolutional neural networks with cutout". Raises UsageError for a size below 1.
    """

    size: int
    fill: Color = (0, 0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fill", tuple(self.fill))
        if not isinstance(self.size, int) or self.size < 1:
            raise UsageError(f"Cutout's size is a number of pixels, at least 1; got {self.size!r}")

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        top = int(rng.integers(image.height)) - self.size // 2
        left = int(rng.integers(image.width)) - self.size // 2
        bottom, right = top + self.size, left + self.size
        top, left = max(top, 0), max(left, 0)
        return _filled(image, top, left, bottom - top, right - left, self.fill)


def _filled(
    image: Image.Image, top: int, left: int, height: int, width: int, colors: np.ndarray | Color
) -> Image.Image:
    pixels = np.array(image)
    pixels[top : top + height, left : left + width] = colors
    return Image.fromarray(pixels)
