"""What is done to pixels on the way into the network, kept with a run so that later images get the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import UsageError

CHANNELS = 3  # images are read as RGB


@dataclass(frozen=True)
class Normalization:
    """Bytes to floats: y = (x / 255 − mean) / std, a channel at a time; as it stands, pixels in 0 … 1.

    mean, std: one number a channel (red, green, blue), on the 0–1 scale. Source: document 004 §5.2.2, corrected.
    Raises UsageError unless there are three numbers of each, finite ones, and every std is above 0.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))  # JSON has lists only
        object.__setattr__(self, "std", tuple(self.std))
        finite = all(isinstance(value, int | float) and isfinite(value) for value in (*self.mean, *self.std))
        if not (finite and len(self.mean) == len(self.std) == CHANNELS and min(self.std) > 0):
            raise UsageError(
                f"normalization needs a mean and a std above 0 for each of {CHANNELS} channels; got {self}"
            )

    def __call__(self, images: Array) -> Array:
        """images: (N, H, W, C) uint8, on any device. Returns (N, H, W, C) float32 on the same device."""
        return ops.normalize_pixels(images, self.mean, self.std)

    def to_config(self) -> dict[str, Any]:
        """Return mean and std in plain JSON values: `Normalization(**config)` is the way back."""
        return asdict(self)
