"""What a trajectory is: ten training steps of a network on fixed random batches. Shared by PyTorch's side and ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

STEPS = 10
SEED = 11  # of the weights and of the batches
SGD = {"lr": 0.01, "momentum": 0.9}
# Epsilon lies well above float32's rounding: a gradient that is zero but for rounding errors (Winograd's transforms
# leave 1e-8 where the plain sum has an exact 0) would otherwise be divided by its own size and become a whole step.
ADAM = {"lr": 5e-4, "betas": (0.9, 0.999)}
ADAM_EPSILON = 1e-4


@dataclass(frozen=True)
class Setting:
    """A network small enough to run in a moment, and large enough that its last feature map is more than one pixel."""

    image_size: int
    classes: int = 5
    batch_size: int = 4


SETTINGS = {
    "cnn3": Setting(32),
    "cnn2": Setting(17),
    "cifar_cnn": Setting(24),
    "torch_cnn": Setting(11),
    "simple_cnn": Setting(149, batch_size=2),
    "dcnn5": Setting(20),
}


def batches(setting: Setting) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield STEPS batches: pictures (N, H, W, 3) in float64, and labels (N,)."""
    rng = np.random.default_rng(SEED)
    for _ in range(STEPS):
        x = rng.standard_normal((setting.batch_size, setting.image_size, setting.image_size, 3))
        yield x, rng.integers(setting.classes, size=setting.batch_size)
