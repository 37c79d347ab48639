"""A tiny set of shapes, drawn once; batches of it, a network that trains on it, and weights compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minicnn import Adam, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential
from minicnn.data import Compose, HorizontalFlip, Loader, Resize, Splits, make_shapes, open_dataset
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


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with train/ (8 images of each of ten classes) and val/ (2 of each)."""
    return make_shapes(tmp_path_factory.mktemp("shapes") / "set", images_per_class=10, size=SIZE)


@pytest.fixture
def splits(shapes: Path) -> Splits:
    """Return the tiny set, opened afresh."""
    return open_dataset(shapes)


@pytest.fixture
def loaders(splits: Splits) -> tuple[Loader, Loader]:
    """Return (training, validation) batches of the tiny set."""
    return make_loaders(splits)


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    """Return a function that makes a trainer of a small network with dropout."""

    def make(epochs: int = 2, lr: float = 1e-3, seed: int = 0, **options: object) -> Trainer:
        layers = [Conv2D(8, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.3), Dense(10)]
        net = Sequential(layers, input_shape=(SIZE, SIZE, 3), seed=seed)
        return Trainer(net, Adam(net.parameters(), lr=lr), epochs=epochs, **options)  # type: ignore[arg-type]

    return make
