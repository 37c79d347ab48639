"""A tiny set of shapes, drawn once, and what trains on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from minicnn import Adam, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential
from minicnn.data import Loader, Splits, make_shapes, open_dataset
from minicnn.training.trainer import Trainer
from tests.training.tiny import SIZE, make_loaders


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
