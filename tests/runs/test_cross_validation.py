"""Cross-validation: a run a fold, which goes on where it was stopped, and what the folds tell together."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn.data import Loader
from minicnn.errors import UsageError
from minicnn.runs.cross_validation import cross_validate
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork
from minicnn.training.evaluation import evaluate
from minicnn.training.progress import PlainProgress, Progress


def tiny(shapes: Path, **changes: Any) -> Settings:
    return Settings(data=str(shapes), model="cnn2", image_size=16, workers=0, epochs=1).changed(**changes)


def test_each_fold_is_a_run_validated_on_what_it_has_not_seen(shapes: Path, tmp_path: Path) -> None:
    result = cross_validate(tiny(shapes), 4, tmp_path / "cv", Progress())
    assert [record.settings["fold"] for record in result.records] == ["1/4", "2/4", "3/4", "4/4"]
    assert (tmp_path / "cv" / "compare.png").exists()
    paths: list[Path] = []
    for number, accuracy in enumerate(result.accuracies, start=1):
        run = TrainedNetwork.open(str(tmp_path / "cv" / f"fold-{number}"))
        images = run.images()
        paths += images.paths
        assert len(images) == 20
        found = evaluate(run.net, Loader(images, 8, run.facts.transform), run.facts.normalization)
        assert found.accuracy == pytest.approx(accuracy)
        assert len(run.images(part="test")) == 20, "the data's own validation images"
    assert len(set(paths)) == 80
    mean, deviation = np.mean(result.accuracies), np.std(result.accuracies, ddof=1)
    assert result.describe().startswith(f"4 folds: {mean:.2%} ± {deviation:.2%} of the images right")


def test_the_same_command_goes_on_where_it_was_stopped(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cross_validate(tiny(shapes), 3, tmp_path / "whole", Progress())
    Run.start(tiny(shapes, fold="1/3"), str(tmp_path / "parts" / "fold-1")).train()
    Run.start(tiny(shapes, fold="2/3"), str(tmp_path / "parts" / "fold-2"))  # killed before its first epoch
    stream = io.StringIO()
    parts = cross_validate(tiny(shapes), 3, tmp_path / "parts", PlainProgress(stream))
    assert parts.accuracies == whole.accuracies
    assert stream.getvalue().count("epoch 1/1") == 2, "the first fold is not trained again"


def test_classes_named_in_any_order_go_on_too(shapes: Path, tmp_path: Path) -> None:
    settings = tiny(shapes, classes="ring,arrow,circle")
    first = cross_validate(settings, 2, tmp_path / "cv", Progress())
    assert cross_validate(settings, 2, tmp_path / "cv", Progress()).accuracies == first.accuracies


def test_other_settings_than_those_in_the_folder_are_refused(shapes: Path, tmp_path: Path) -> None:
    Run.start(tiny(shapes, fold="1/3", lr=0.25), str(tmp_path / "cv" / "fold-1"))
    with pytest.raises(UsageError, match=r"was trained with lr=0.25, not 0.001: name another folder"):
        cross_validate(tiny(shapes), 3, tmp_path / "cv", Progress())


def test_folds_in_the_folder_of_a_run_are_refused(shapes: Path, tmp_path: Path) -> None:
    Run.start(tiny(shapes), str(tmp_path / "run"))
    with pytest.raises(UsageError, match="run is the folder of a run itself"):
        cross_validate(tiny(shapes), 2, tmp_path / "run", Progress())
    assert not (tmp_path / "run" / "fold-1").exists()


def test_too_many_folds_are_refused_before_the_first_is_trained(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fold 1 of 9: the class 'arrow' has 8 training images"):
        cross_validate(tiny(shapes), 9, tmp_path / "cv", Progress())
    assert not (tmp_path / "cv").exists()


def test_one_fold_is_refused(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 2 folds; got 1"):
        cross_validate(tiny(shapes), 1, tmp_path / "cv", Progress())
