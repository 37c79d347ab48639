"""What a transform is, how several make one, and how a run records and rebuilds them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from minicnn.errors import UsageError

_classes: dict[str, type[Transform]] = {}


class Transform(ABC):
    """A step from picture to picture, `transform(image, rng) -> image`, that never changes its input.

    Images are Pillow's, mode "RGB", before and after. A subclass is a frozen dataclass: its fields are its
    settings, its representation, and what `to_config` writes down.
    """

    only_mirrors: ClassVar[bool] = False  # whether it turns a picture left to right, or leaves it as it is
    keeps_mirrors: ClassVar[bool] = False  # whether to mirror, then do this, is to do this, then mirror; never random

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


class SampleGenerator(np.random.Generator):
    """The random numbers of one picture in one epoch: what the transforms of a `Loader` draw from.

    It is made from the seed, the epoch and the picture's number in the dataset, and knows them. A transform that has to
    be told which epoch it is, to do something else in the next, finds it here.
    """

    def __init__(self, seed: int, epoch: int, index: int) -> None:
        # Philox counts: (seed, epoch, index) in its key and upper counter words gives streams that never overlap
        # (Salmon et al. 2011), without hashing the three into a state for every picture.
        super().__init__(np.random.Philox(key=seed, counter=[0, 0, index, epoch]))
        self.seed, self.epoch, self.index = seed, epoch, index

    def coin_of_picture(self) -> bool:
        """Return how a fair coin fell that was thrown once for this picture, whatever the epoch."""
        # Its second counter word is one that no epoch's stream reaches.
        return bool(np.random.Philox(key=self.seed, counter=[0, 1, self.index, 0]).random_raw() & 1)


class Window(NamedTuple):
    """A part of a picture that is cut out and then, where `mirrored`, turned left to right.

    top, left: its corner in the picture, in pixels; what lies outside of the picture is black.
    height, width: its size, in pixels.
    """

    top: int
    left: int
    height: int
    width: int
    mirrored: bool = False

    def cut_out_of(self, image: Image.Image) -> Image.Image:
        """Return the part of `image` as a picture of its own."""
        part = image.crop((self.left, self.top, self.left + self.width, self.top + self.height))
        return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.mirrored else part


class WindowTransform(RandomTransform, ABC):
    """A random transform that moves pixels and changes none: its result is a window of the picture.

    A window is a few numbers, so it can be drawn for one picture at a time and cut out of a whole batch at once.
    """

    @abstractmethod
    def move(self, window: Window, rng: np.random.Generator) -> Window:
        """Return the window of a picture that this transform makes of its `window`."""

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        return self.move(Window(0, 0, image.height, image.width), rng).cut_out_of(image)


@dataclass(frozen=True)
class Compose(Transform):
    """Several transforms one after the other: image → transforms[0] → transforms[1] → …

    A Compose among them stands for the transforms that it holds.
    """

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        nested = [t.transforms if isinstance(t, Compose) else (t,) for t in self.transforms]
        object.__setattr__(self, "transforms", tuple(transform for group in nested for transform in group))

    @property
    def random(self) -> bool:
        return any(transform.random for transform in self.transforms)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for transform in self.transforms:
            image = transform(image, rng)
        return image

    def split(self) -> tuple[Compose, Compose, tuple[WindowTransform, ...]]:
        """Take apart: (what gives the same in every epoch, what is random, the random windows at the end).

        The last part has no kind of transform twice: a second crop could bring back what the first one cut off.
        """
        transforms = self._border_first()
        head, tail = 0, len(transforms)
        while head < tail and not transforms[head].random:
            head += 1
        windows: list[WindowTransform] = []
        while tail > head and isinstance(last := transforms[tail - 1], WindowTransform):
            if type(last) in map(type, windows):
                break
            windows.insert(0, last)
            tail -= 1
        return Compose(transforms[:head]), Compose(transforms[head:tail]), tuple(windows)

    def _border_first(self) -> tuple[Transform, ...]:
        """Return the transforms in an order that gives the same: what keeps mirrors before the flips that it follows.

        So a border is added once, not in every epoch anew.
        """
        transforms: list[Transform] = []
        for transform in self.transforms:
            place = len(transforms)
            while transform.keeps_mirrors and place > 0 and transforms[place - 1].only_mirrors:
                place -= 1
            transforms.insert(place, transform)
        return tuple(transforms)

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
