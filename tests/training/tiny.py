"""Batches of the tiny set of shapes, and weights compared."""

from __future__ import annotations

import numpy as np

from minicnn.data import Compose, HorizontalFlip, Loader, Resize, Splits
from minicnn.training.trainer import Trainer

SIZE = 16  # pixels


def make_loaders(splits: Splits, workers: int = 0, seed: int = 0) -> tuple[Loader, Loader]:
    """Return (training with flips, validation) batches with a number of reading threads."""
    augmented = Compose((Resize(SIZE), HorizontalFlip()))
    training = Loader(splits.train, 16, augmented, shuffle=True, seed=seed, workers=workers)
    return training, Loader(splits.validation, 16, Resize(SIZE), workers=workers)


def weights_of(trainer: Trainer) -> dict[str, np.ndarray]:
    return {name: p.value.copy() for name, p in trainer.net.parameters().items()}


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    for name, value in weights_of(one).items():
        np.testing.assert_array_equal(value, other.net.parameters()[name].value, err_msg=name)
