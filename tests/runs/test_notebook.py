"""What a run shows in a notebook, while it trains and afterwards."""

from __future__ import annotations

import sys
from math import nan
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from minicnn.data import make_shapes
from minicnn.runs.comparison import RunRecord
from minicnn.runs.display import make_progress
from minicnn.runs.notebook import NotebookProgress, history_html
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork
from minicnn.training.history import Epoch
from minicnn.training.progress import Moment, PlainProgress
from tests.notebook_pieces import parsed, pictures, rows, text_of

FIRST = Epoch(1, 2.0, 0.25, 1.5, 0.5, 0.9, 1e-3, 1234.5, 3.21)
SECOND = FIRST._replace(epoch=2, val_accuracy=0.75)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend to be a notebook's process, and return what its one output shows, over time."""
    shown: list[str] = []
    display = ModuleType("IPython.display")
    display.HTML = str  # type: ignore[attr-defined]

    def begin(html: str, display_id: bool) -> SimpleNamespace:
        shown.append(html)
        return SimpleNamespace(update=shown.append)

    display.display = begin  # type: ignore[attr-defined]
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=True)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_one_output_follows_the_training(output: list[str]) -> None:
    progress = make_progress()
    assert isinstance(progress, NotebookProgress)
    progress.note("cnn2 on <shapes>")
    progress.moment(Moment(1, 2, 5, 10, 2.0, 0.25, 1234.5, 61))
    assert "epoch 1/2, step 5 of 10: loss 2.0000" in text_of(parsed(output[-1]))
    assert parsed(output[-1]).find(".//progress").attrib["value"] == "5"  # type: ignore[union-attr]
    progress.epoch_done(FIRST, 2)
    progress.epoch_done(SECOND, 2)
    progress.close()
    assert "cnn2 on <shapes>" in text_of(parsed(output[-1])) and "step" not in text_of(parsed(output[-1]))
    assert rows(output[-1])[1] == ["1", "2.0000", "25.0%", "1.5000", "50.0%", "90.0%", "1,234", "3.2"]
    assert next(cell.text for cell in parsed(output[-1]).iter("b")) == "2"  # the best epoch


def test_elsewhere_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert isinstance(make_progress(), PlainProgress)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # imported by a script
    assert isinstance(make_progress(), PlainProgress)


def test_epochs_without_validation() -> None:
    html = history_html([FIRST._replace(val_loss=nan, val_accuracy=nan, val_top5=nan)])
    assert rows(html) == [
        ["epoch", "loss", "accuracy", "images/s", "seconds"],
        ["1", "2.0000", "25.0%", "1,234", "3.2"],
    ]
    assert history_html([]) == ""


def test_a_run_shows_itself_before_and_after(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "set", images_per_class=5, size=16)
    settings = Settings(data=str(data), model="cnn2", image_size=16, epochs=1, seed=3, workers=0)
    run = Run.start(settings, str(tmp_path / "run"))
    before = run._repr_html_()
    assert "cnn2 on set" in text_of(parsed(before)) and not rows(before)
    run.train()
    for shown in (run, RunRecord.read(str(tmp_path / "run"))):
        html = shown._repr_html_()
        epoch, loss, accuracy = rows(html)[1][:3]
        assert float(loss) == pytest.approx(run.trainer.history[0].train_loss, abs=2e-4)
        assert (epoch, accuracy) == ("1", f"{run.trainer.history[0].train_accuracy:.1%}")
        assert list(pictures(html)) == ["which classes were taken for which"]
    assert "seed 3" in text_of(parsed(html)) and "momentum" not in text_of(parsed(html))
    html = TrainedNetwork.open(str(tmp_path / "run"))._repr_html_()
    assert "cnn2, the best weights of a run on" in text_of(parsed(html))
    assert "10 classes: arrow, circle" in text_of(parsed(html)) and rows(html)[1][0] == "conv1"
