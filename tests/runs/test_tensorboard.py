"""Event files: TensorBoard reads in them what the table of the run says."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from minicnn.errors import UsageError
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings


def tiny(shapes: Path, **changes: object) -> Settings:
    return Settings(data=str(shapes), model="cnn2", image_size=16, workers=0, tensorboard=True).changed(**changes)


@pytest.mark.filterwarnings("default")  # TensorBoard's own
def test_tensorboard_reads_the_run(shapes: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    path = tmp_path / "run"
    Run.start(tiny(shapes, epochs=2), str(path)).train()
    Run.resume(str(path), epochs=3).train()
    events = accumulator.EventAccumulator(str(path / "tensorboard")).Reload()
    rows = list(csv.DictReader((path / "metrics.csv").read_text().splitlines()))
    for tag, column in (
        ("loss/training", "train_loss"),
        ("loss/validation", "val_loss"),
        ("accuracy/validation", "val_accuracy"),
        ("lr", "lr"),
    ):
        read = events.Scalars(tag)
        assert [event.step for event in read] == [1, 2, 3]
        assert [event.value for event in read] == pytest.approx([float(row[column]) for row in rows], rel=1e-4)


def test_without_the_package_one_line_says_so(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "tensorboard":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'minicnn\[tensorboard\]', or leave out --tensorboard"):
        Run.start(tiny(shapes), str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []
