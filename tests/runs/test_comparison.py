"""Runs beside one another: what is read of them, what differs, and their curves in one picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from minicnn.errors import UsageError
from minicnn.runs import plots
from minicnn.runs.comparison import RunRecord, differing_settings
from minicnn.runs.plots import draw_comparison
from minicnn.runs.settings import Settings
from minicnn.training.history import Epoch, from_csv, to_csv

ROWS = [
    Epoch(1, 2.0, 0.25, 1.5, 0.5, 0.9, 1e-3, 1234.5, 3.0),
    Epoch(2, 1.0, 0.75, 1.25, 0.625, 0.95, 5e-4, 1000.0, 2.5),
    Epoch(3, 0.5, 1.0, float("nan"), 0.5, 0.95, 0.0, 1000.0, 2.5),
]


def make_run(path: Path, **settings: object) -> str:
    path.mkdir()
    config = {"settings": Settings(**settings).to_config(), "classes": ["a"], "class_names": ["a"]}
    (path / "config.json").write_text(json.dumps(config))
    (path / "metrics.csv").write_text(to_csv(ROWS))
    return str(path)


def test_a_table_is_read_as_it_was_written() -> None:
    assert from_csv(to_csv(ROWS))[:2] == ROWS[:2]
    assert to_csv(from_csv(to_csv(ROWS))) == to_csv(ROWS)


@pytest.mark.parametrize("text", ["epoch,loss\n1,2\n", to_csv([]), to_csv(ROWS).replace("0.25", "much")])
def test_another_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_csv(text)


def test_a_record_tells_the_best_epoch_and_the_time(tmp_path: Path) -> None:
    record = RunRecord.read(make_run(tmp_path / "run", lr=0.5))
    assert record.best.epoch == 2 and record.seconds == 8.0 and record.settings["lr"] == 0.5
    assert not record.whole and RunRecord.read(make_run(tmp_path / "whole", epochs=3)).whole
    assert record.to_json()["best_accuracy"] == 0.625


def test_only_settings_that_differ_are_named_in_their_order(tmp_path: Path) -> None:
    paths = [
        make_run(tmp_path / "one", lr=0.1, epochs=3),
        make_run(tmp_path / "two", lr=0.2, epochs=3, augment="flip"),
        make_run(tmp_path / "three", lr=0.1, epochs=3),
    ]
    assert differing_settings([RunRecord.read(path) for path in paths]) == ["lr", "augment"]
    assert differing_settings([RunRecord.read(paths[0]), RunRecord.read(paths[2])]) == []


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    (tmp_path / "run" / "metrics.csv").write_text("nothing")
    with pytest.raises(UsageError, match=r"metrics.csv is damaged"):
        RunRecord.read(path)
    (tmp_path / "run" / "metrics.csv").unlink()
    with pytest.raises(UsageError, match="has finished no epoch yet"):
        RunRecord.read(path)


def test_the_curves_of_many_runs_are_one_picture(tmp_path: Path) -> None:
    draw_comparison({f"runs/$number$_{k}": ROWS[:2] for k in range(12)}, tmp_path / "compare.png")
    with Image.open(tmp_path / "compare.png") as picture:
        assert picture.width == 1320 and picture.height > 480


def test_curves_over_minutes_begin_where_the_first_epoch_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: figures.append(figure))
    rows = [ROWS[0]._replace(seconds=90.0), ROWS[1]._replace(seconds=30.0)]
    draw_comparison({"run": rows}, tmp_path / "compare.png", minutes=True)
    loss, accuracy = figures[0].axes
    assert loss.get_xlabel() == accuracy.get_xlabel() == "minutes"
    assert [list(axes.lines[0].get_xdata()) for axes in (loss, accuracy)] == [[1.5, 2.0], [1.5, 2.0]]
    assert list(accuracy.lines[1].get_xdata()) == [2.0], "the ring"
