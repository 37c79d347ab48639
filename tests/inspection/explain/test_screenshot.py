"""The README's picture of the page, taken anew.

With MINICNN_DRAW=1 it is put where the README has it, and the network has learnt for a minute or two before.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minicnn import Adam, Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential, Trainer, use_kernels
from minicnn.data.shapes import SHAPES_CLASSES, draw_shape
from minicnn.inspection.explain import page_data
from minicnn.training.normalization import Normalization
from minicnn.training.progress import PlainProgress
from tests.inspection.explain.reader import Reader

REPOSITORY = Path(__file__).parents[3]
PICTURE = "examples/explain.png"
DRAW = bool(os.environ.get("MINICNN_DRAW"))
SIZE = 32  # pixels of the shapes
WINDOW = {"width": 1280, "height": 1240}
OF_EACH, EPOCHS = 60, 12  # shapes to learn from, of each class


def test_the_picture_in_the_readme_shows_the_page(browser: Any, tmp_path: Path) -> None:
    blocks = [Conv2D(8, 3), ReLU(), MaxPool2D(2), Conv2D(16, 3), ReLU(), MaxPool2D(2), Flatten()]
    net = Sequential([*blocks, Dense(len(SHAPES_CLASSES))], input_shape=(SIZE, SIZE, 3), seed=0)
    if DRAW:
        learn_shapes(net)
    data = page_data(
        net,
        drawn("star", OF_EACH + 7),
        Normalization(),
        SHAPES_CLASSES,
        model="shapes",
        label=SHAPES_CLASSES.index("star"),
    )
    reader = Reader(browser, data, tmp_path, viewport=WINDOW)
    target = REPOSITORY / PICTURE if DRAW else tmp_path / "explain.png"
    reader.page.screenshot(path=target)
    reader.close()

    alternative = re.search(rf"!\[([^\]]+)\]\({re.escape(PICTURE)}\)", (REPOSITORY / "README.md").read_text("utf-8"))
    assert alternative and len(alternative[1].split()) > 10
    with Image.open(target) as taken, Image.open(REPOSITORY / PICTURE) as shown:
        assert taken.size == shown.size == tuple(WINDOW.values())
        assert len(taken.convert("RGB").getcolors(2**24) or ()) > 500  # maps have been drawn


def drawn(name: str, number: int) -> np.ndarray:
    """Return a picture of a shape, (SIZE, SIZE, 3) uint8."""
    return np.asarray(draw_shape(name, SIZE, np.random.default_rng([7, SHAPES_CLASSES.index(name), number])))


def learn_shapes(net: Sequential) -> None:
    """Teach a network some shapes, by the formulas: for so few pictures nothing need be compiled."""
    pictures = np.stack([drawn(name, number) for name in SHAPES_CLASSES for number in range(OF_EACH)])
    labels = np.arange(len(SHAPES_CLASSES)).repeat(OF_EACH)
    with use_kernels("reference"):
        trainer = Trainer(net, Adam(net.parameters(), lr=3e-3), epochs=EPOCHS, progress=PlainProgress())
        trainer.train((pictures, labels), batch_size=20)
