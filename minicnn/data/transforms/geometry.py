"""Where pixels go: resize, pad, crop, flip, rotate, scale.

Sizes are (height, width), as in an array's shape; Pillow's own are (width, height).
Interpolation is bilinear; when a picture shrinks, Pillow's triangle filter widens with the factor
(antialiasing).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from minicnn.data.transforms.base import (
    RandomTransform,
    SampleGenerator,
    Transform,
    Window,
    WindowTransform,
    height_and_width,
    ordered_pair,
)
from minicnn.errors import UsageError

BILINEAR = Image.Resampling.BILINEAR
INTERPOLATIONS = {"bilinear": BILINEAR, "bicubic": Image.Resampling.BICUBIC}
Color = tuple[int, int, int]
# What a border is made of → numpy.pad's word for it.
EDGES: dict[str, Literal["reflect", "constant"]] = {"reflect": "reflect", "black": "constant"}


@dataclass(frozen=True)
class Resize(Transform):
    """Bring a picture to a size.

    size: an int (a square) or (height, width), pixels.
    keep_aspect: False squashes to exactly `size`; True scales both sides alike until the shorter one is
        `size`, then one int: the documents' Resize(256) before CenterCrop(224) (document 004 §5.2.3).
    interpolation: "bilinear" or "bicubic", as Pillow has them: both average where a picture shrinks.
    Raises UsageError for sizes below 1, two sizes with keep_aspect, or another interpolation.
    """

    size: int | tuple[int, int]
    keep_aspect: bool = False
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        height_and_width(self.size)
        if self.keep_aspect and not isinstance(self.size, int):
            raise UsageError(f"Resize(keep_aspect=True) takes one size, that of the shorter side; got {self.size!r}")
        if not isinstance(self.size, int):
            object.__setattr__(self, "size", tuple(self.size))
        if self.interpolation not in INTERPOLATIONS:
            raise UsageError(f"interpolation {self.interpolation!r} should be {' or '.join(INTERPOLATIONS)}")

    @property
    def at_least(self) -> tuple[int, int]:
        """The smallest (height, width) of a result: what a decoder has to deliver at the very least."""
        return height_and_width(self.size)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        height, width = height_and_width(self.size)
        if self.keep_aspect:
            scale = height / min(image.size)
            # The shorter side is set, not computed, so that rounding cannot miss it.
            width = height if image.width <= image.height else round(image.width * scale)
            height = height if image.height <= image.width else round(image.height * scale)
        return image.resize((width, height), INTERPOLATIONS[self.interpolation])


@dataclass(frozen=True)
class CenterCrop(Transform):
    """Cut `size` (an int or (height, width), pixels) out of the middle.

    A smaller picture gets a black border.
    """

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        _set_size(self)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        height, width = height_and_width(self.size)
        top, left = int((image.height - height) / 2), int((image.width - width) / 2)  # rounded towards 0
        return Window(top, left, height, width).cut_out_of(image)


@dataclass(frozen=True)
class Pad(Transform):
    """Add a border of `pixels` on every side: "black", or the picture mirrored at its edge ("reflect").

    With a RandomCrop of the picture's own size behind it, the picture is shifted by up to so many pixels each way.
    Raises UsageError for another kind of edges, or less than no border.
    """

    keeps_mirrors: ClassVar[bool] = True

    pixels: int
    edges: str = "reflect"

    def __post_init__(self) -> None:
        if self.pixels < 0 or self.edges not in EDGES:
            raise UsageError(f"Pad takes at least 0 pixels and edges that are {' or '.join(EDGES)}; got {self}")

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        border = (self.pixels, self.pixels)
        return Image.fromarray(np.pad(np.asarray(image), (border, border, (0, 0)), EDGES[self.edges]))


@dataclass(frozen=True)
class RandomCrop(WindowTransform):
    """Cut `size` (an int or (height, width), pixels) out at a random place.

    padding: pixels of black border added on every side first, so that a crop of the picture's own size
        shifts it.
    A smaller picture gets a black border.
    """

    size: int | tuple[int, int]
    padding: int = 0

    def __post_init__(self) -> None:
        _set_size(self)
        if self.padding < 0:
            raise UsageError(f"RandomCrop's padding is a number of pixels, at least 0; got {self.padding}")

    def move(self, window: Window, rng: np.random.Generator) -> Window:
        height, width = height_and_width(self.size)
        top = self._draw(window.height, height, rng)
        left = self._draw(window.width, width, rng)
        if window.mirrored:  # what is left in the mirrored picture is right in the window
            left = window.width - width - left
        return Window(window.top + top, window.left + left, height, width, window.mirrored)

    def _draw(self, length: int, wanted: int, rng: np.random.Generator) -> int:
        """Draw where `wanted` pixels begin, counted from the first of `length` pixels that have a border on each side.

        The border is `padding` wide, or wider as far as `wanted` needs it.
        """
        missing = max(0, wanted - length - 2 * self.padding)
        border = self.padding + missing // 2
        return int(rng.integers(length + 2 * self.padding + missing - wanted + 1)) - border


@dataclass(frozen=True)
class RandomResizedCrop(RandomTransform):
    """Cut out a random part of random area and shape, and squash it to `size`.

    area = uniform(scale)·H·W;  width/height = exp(uniform(log ratio))
    Ten draws that do not fit inside the picture are followed by the largest middle part of an allowed shape.
    size: an int or (height, width), pixels.  scale: fractions of the area.  ratio: widths over heights.
    Source: Szegedy et al. 2015, "Going deeper with convolutions", §6.
    """

    size: int | tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        _set_size(self)
        object.__setattr__(self, "scale", ordered_pair("RandomResizedCrop's scale", self.scale, 0))
        object.__setattr__(self, "ratio", ordered_pair("RandomResizedCrop's ratio", self.ratio, 0))

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        top, left, height, width = self._draw(image.height, image.width, rng)
        out_height, out_width = height_and_width(self.size)
        return image.resize((out_width, out_height), BILINEAR, box=(left, top, left + width, top + height))

    def _draw(self, image_height: int, image_width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        for _ in range(10):
            area = rng.uniform(*self.scale) * image_height * image_width
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= image_width and 0 < height <= image_height:
                top = int(rng.integers(image_height - height + 1))
                left = int(rng.integers(image_width - width + 1))
                return top, left, height, width
        ratio = min(max(image_width / image_height, self.ratio[0]), self.ratio[1])
        width = max(1, min(image_width, round(image_height * ratio)))
        height = max(1, min(image_height, round(image_width / ratio)))
        return (image_height - height) // 2, (image_width - width) // 2, height, width


@dataclass(frozen=True)
class HorizontalFlip(WindowTransform):
    """Mirror left and right with a probability."""

    only_mirrors: ClassVar[bool] = True

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise UsageError(f"HorizontalFlip's probability is between 0 and 1; got {self.probability}")

    def move(self, window: Window, rng: np.random.Generator) -> Window:
        return window._replace(mirrored=not window.mirrored) if rng.random() < self.probability else window


@dataclass(frozen=True)
class AlternatingFlip(WindowTransform):
    """Mirror left and right in every other epoch: half of the pictures in even ones, the other half in odd ones.

    So in any two epochs that follow one another each picture is seen once as it is and once mirrored, where a coin
    thrown anew would show half of them twice alike. Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single
    GPU", §3.6. Raises UsageError for a generator that knows of no epoch: only a Loader's does.
    """

    only_mirrors: ClassVar[bool] = True

    def move(self, window: Window, rng: np.random.Generator) -> Window:
        if not isinstance(rng, SampleGenerator):
            raise UsageError("AlternatingFlip has to know the epoch: use it in a Loader, or give a SampleGenerator")
        mirrors = rng.coin_of_picture() != bool(rng.epoch % 2)
        return window._replace(mirrored=not window.mirrored) if mirrors else window


@dataclass(frozen=True)
class RandomRotation(RandomTransform):
    """Turn a picture about its middle by uniform(-degrees, degrees), counter-clockwise; its size stays.

    fill: the colour (red, green, blue; 0 to 255) of the corners that come into view.
    """

    degrees: float = 15.0
    fill: Color = (0, 0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fill", tuple(self.fill))
        if not 0 <= self.degrees <= 180:
            raise UsageError(f"RandomRotation's degrees are between 0 and 180; got {self.degrees}")

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        angle = rng.uniform(-self.degrees, self.degrees)
        return image.rotate(angle, BILINEAR, fillcolor=self.fill)


@dataclass(frozen=True)
class RandomScale(RandomTransform):
    """Zoom about the middle by a factor from uniform(scale); the picture's size stays.

    Above 1 the border falls off, below 1 a border in the colour `fill` (red, green, blue; 0 to 255) comes
    into view.
    """

    scale: tuple[float, float] = (0.8, 1.2)
    fill: Color = (0, 0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", ordered_pair("RandomScale's scale", self.scale, 0))
        object.__setattr__(self, "fill", tuple(self.fill))

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        inverse = 1 / rng.uniform(*self.scale)
        # Pillow asks for the inverse map, output → input pixel: a coordinate c to (c - middle)/s + middle.
        x_shift, y_shift = image.width / 2 * (1 - inverse), image.height / 2 * (1 - inverse)
        matrix = (inverse, 0, x_shift, 0, inverse, y_shift)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, BILINEAR, fillcolor=self.fill)


def _set_size(transform: CenterCrop | RandomCrop | RandomResizedCrop) -> None:
    object.__setattr__(transform, "size", height_and_width(transform.size))
