"""What a person sees: the live display, time spans, pictures for few and for many classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from minicnn.runs import plots
from minicnn.runs.display import LiveProgress, make_progress
from minicnn.runs.plots import draw_confusion, draw_curves
from minicnn.training.history import Epoch
from minicnn.training.progress import Moment, PlainProgress, duration_text

ROW = Epoch(1, 2.0, 0.25, 1.5, 0.5, 0.9, 1e-3, 1234.5, 3.21)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_time_spans(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_terminal_gets_a_live_line_and_a_line_an_epoch() -> None:
    screen = io.StringIO()
    progress = LiveProgress(Console(file=screen, force_terminal=True, width=140))
    progress.moment(Moment(1, 3, 5, 10, 2.0, 0.25, 1234.5, 61))
    progress.note("a note with [brackets]")  # draws the live line anew, below it
    progress.epoch_done(ROW, 3)
    progress.close()
    text = screen.getvalue()
    for part in ("a note with [brackets]", "epoch 1/3", "1 min 01 s left", "validation loss"):
        assert part in text


def test_a_file_gets_plain_lines() -> None:
    stream = io.StringIO()
    progress = make_progress(stream)
    assert isinstance(progress, PlainProgress)
    progress.epoch_done(ROW, 3)
    assert stream.getvalue() == (
        "epoch 1/3: loss 2.0000, accuracy 25.0%; validation loss 1.5000, accuracy 50.0%, top-5 90.0%; "
        "1,234 images/s, 3.2 s\n"
    )


@pytest.mark.parametrize("epochs", [1, 40])
def test_curves(tmp_path: Path, epochs: int) -> None:
    draw_curves([ROW._replace(epoch=1 + i) for i in range(epochs)], tmp_path / "curves.png", "costs $5 to $6_")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1200, 480)


@pytest.mark.parametrize("classes", [2, 150])
def test_confusion(tmp_path: Path, rng: np.random.Generator, classes: int) -> None:
    confusion = rng.integers(0, 5, (classes, classes))
    confusion[0] = 0  # a class without images
    names = [f"class {k} of $many$ with a rather long name" for k in range(classes)]
    draw_confusion(confusion, names, tmp_path / "confusion.png", "50 %")
    with Image.open(tmp_path / "confusion.png") as picture:
        width, height = picture.size
    assert 500 < height < 3000 and width > height


def test_names_that_no_font_and_no_encoding_knows(tmp_path: Path) -> None:
    """Chinese as it is, and as Python keeps its bytes where the terminal is said to know ASCII alone."""
    names = ["形状", "\udce5\udcbd\udca2"]
    draw_confusion(np.eye(2, dtype=int), names, tmp_path / "confusion.png", names[1])
    draw_curves([ROW], tmp_path / "curves.png", names[1])
    assert plots._drawable("\udce5\udcbd\udca2 \udcff") == "形 �"
