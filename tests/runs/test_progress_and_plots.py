"""What a person sees: the live display, time spans, pictures for few and for many classes."""

from __future__ import annotations

import io
import re
from math import nan
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from minicnn.figures import drawable
from minicnn.runs import plots
from minicnn.runs.display import LiveProgress, make_progress
from minicnn.runs.plots import draw_confusion, draw_curves
from minicnn.training import progress as progress_module
from minicnn.training.history import Epoch
from minicnn.training.progress import Moment, PlainProgress, duration_text, epoch_text

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
    for part in ("a note with [brackets]", "epoch 1/3", "1 min 01 s left", "validation"):
        assert part in text


def test_a_file_gets_plain_lines() -> None:
    stream = io.StringIO()
    progress = make_progress(stream)
    assert isinstance(progress, PlainProgress)
    progress.epoch_done(ROW, 3)
    assert stream.getvalue() == "epoch 1/3: loss 2.0000, 25.0% right; validation 1.5000, 50.0%; 3.2 s\n"
    assert epoch_text(ROW._replace(val_loss=nan), 3) == "epoch 1/3: loss 2.0000, 25.0% right; 3.2 s"


def test_every_line_of_an_epoch_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "PLAIN_INTERVAL", 0)
    moment = Moment(100, 100, 50_000, 100_000, 6.9078, 0.1234, 12_345.6, 59 * 60)
    row = Epoch(100, 6.9078, 1.0, 6.9078, 1.0, 1.0, 1e-3, 123_456.7, 12_345.6)
    plain, live = io.StringIO(), io.StringIO()
    for progress in (PlainProgress(plain), LiveProgress(Console(file=live, force_terminal=True, width=80))):
        progress.moment(moment)
        progress.epoch_done(row, 100)
        progress.epoch_done(row._replace(sparsity=0.9), 100)
        progress.close()
    for stream in (plain, live):
        shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", stream.getvalue())
        lines = shown.replace("\r", "\n").splitlines()
        assert max(map(len, lines)) <= 80
        for whole in ("59 min 00 s left", "validation 6.9078, 100.0%; 12,346 s", "pruned 90%"):
            assert any(whole in line for line in lines)


@pytest.mark.parametrize("epochs", [1, 40])
def test_curves(tmp_path: Path, epochs: int) -> None:
    draw_curves([ROW._replace(epoch=1 + i) for i in range(epochs)], tmp_path / "curves.png", "costs $5 to $6_")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1200, 480)


@pytest.mark.parametrize("classes", [2, 150])
def test_confusion(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, classes: int) -> None:
    confusion = rng.integers(0, 5, (classes, classes))
    confusion[0] = 0  # a class without images
    names = [f"class {k} of $many$ with a rather long name" for k in range(classes)]
    drawn: list[Figure] = []
    save = plots.save_figure
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: (save(figure, path), drawn.append(figure)))
    draw_confusion(confusion, names, tmp_path / "confusion.png", "a network on a set of pictures\n50 %")
    (figure,) = drawn
    page, text = figure.bbox_inches, figure.get_tightbbox()
    assert page.x0 <= text.x0 and text.x1 <= page.x1 and page.y0 <= text.y0 and text.y1 <= page.y1, "nothing is cut off"
    matrix, bar = (axes.get_position() for axes in (*figure.axes, *figure.axes[0].child_axes)[:2])
    assert (bar.y0, bar.height) == pytest.approx((matrix.y0, matrix.height))
    with Image.open(tmp_path / "confusion.png") as picture:
        width, height = picture.size
    assert 500 < height < 3000 and width > height


def test_names_that_no_font_and_no_encoding_knows(tmp_path: Path) -> None:
    """Chinese as it is, and as Python keeps its bytes where the terminal is said to know ASCII alone."""
    names = ["形状", "\udce5\udcbd\udca2"]
    draw_confusion(np.eye(2, dtype=int), names, tmp_path / "confusion.png", names[1])
    draw_curves([ROW], tmp_path / "curves.png", names[1])
    assert drawable("\udce5\udcbd\udca2 \udcff") == "形 �"
