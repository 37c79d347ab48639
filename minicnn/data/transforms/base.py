"""What a transform is, how several make one, and how a run records and rebuilds them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from minicnn.errors import UsageError

_classes: dict[str, type[Transform]] = {}


class Transform(ABC):
    """A step from picture to picture, `transform(image, rng) -> image`, that never changes its input.

    Images are Pillow's, mode "RGB", before and after. A subclass is a frozen dataclass: its fields are its
    settings, its representation, and what `to_config` writes down.
    """

    @property
    def random(self) -> bool:
        """Whether the result depends on `rng`: what does not is computed once an image and kept."""
        return False

    @abstractmethod
    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Return the transformed picture; every random number comes from `rng`."""

    def to_config(self) -> dict[str, Any]:
        """Describe this transform in plain JSON values: its name and its settings."""
        settings = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {"name": type(self).__name__, **settings}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Transform:
        """Rebuild the transform that `to_config` described.

        Raises UsageError for an unknown name or settings that the transform does not have.
        """
        settings = dict(config)
        name = settings.pop("name", None)
        if name not in _classes:
            raise UsageError(f"unknown transform {name!r}; known are {', '.join(sorted(_classes))}")
        try:
            return _classes[name]._from_settings(settings)
        except TypeError as error:
            raise UsageError(f"transform {name} cannot be made from the settings {settings}: {error}") from error

    @classmethod
    def _from_settings(cls, settings: dict[str, Any]) -> Transform:
        return cls(**settings)

    def __init_subclass__(cls) -> None:
        _classes[cls.__name__] = cls


class RandomTransform(Transform, ABC):
    """A transform that draws from `rng`: another picture in every epoch."""

    @property
    def random(self) -> bool:
        return True


@dataclass(frozen=True)
class Compose(Transform):
    """Several transforms one after the other: image → transforms[0] → transforms[1] → …"""

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))

    @property
    def random(self) -> bool:
        return any(transform.random for transform in self.transforms)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for transform in self.transforms:
            image = transform(image, rng)
        return image

    def split(self) -> tuple[Compose, Compose]:
        """Cut before the first random transform: (what gives the same in every epoch, the rest)."""
        head = 0
        while head < len(self.transforms) and not self.transforms[head].random:
            head += 1
        return Compose(self.transforms[:head]), Compose(self.transforms[head:])

    def to_config(self) -> dict[str, Any]:
        return {"name": "Compose", "transforms": [transform.to_config() for transform in self.transforms]}

    @classmethod
    def _from_settings(cls, settings: dict[str, Any]) -> Transform:
        return cls(tuple(Transform.from_config(config) for config in settings["transforms"]))


def height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    """Read `size` as (height, width) in pixels; one number stands for both.

    Raises UsageError unless both are whole numbers of at least 1.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and side >= 1 for side in sides):
        raise UsageError(f"an image size is one whole number or (height, width), each at least 1; got {size!r}")
    return sides


def ordered_pair(name: str, values: tuple[float, float], lowest: float) -> tuple[float, float]:
    """Read a range (low, high) of a random setting.

    Raises UsageError unless lowest < low ≤ high.
    """
    pair = tuple(values)
    if len(pair) != 2 or not lowest < pair[0] <= pair[1]:
        raise UsageError(f"{name} is a range (low, high) with {lowest} < low ≤ high; got {values!r}")
    return pair
