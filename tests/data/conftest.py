"""Small folders of pictures, and a user's cache that is nobody's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the tests away from the cache of whoever runs them."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def make_folder(tmp_path: Path, rng: np.random.Generator) -> MakeFolder:
    """Return a function that writes a folder of random JPEGs: make_folder("name", {"cat": 3, "dog": 2})."""

    def make(name: str, classes: dict[str, int], size: tuple[int, int] = (24, 32)) -> Path:
        root = tmp_path / name
        for class_folder, images in classes.items():
            (root / class_folder).mkdir(parents=True)
            for number in range(images):
                pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / class_folder / f"{number:03d}.jpg")
        return root

    return make
