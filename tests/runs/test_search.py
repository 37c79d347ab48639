"""The search: what it tries, what it ends early, that it goes on where it was stopped, what it finds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn.errors import UsageError
from minicnn.runs.search import Range, read_setting, read_space, search, trials_of
from minicnn.runs.settings import Settings
from minicnn.training.progress import PlainProgress, Progress


def tiny(shapes: Path, **changes: Any) -> Settings:
    return Settings(data=str(shapes), model="cnn2", image_size=16, workers=0, epochs=2).changed(**changes)


def test_settings_and_what_is_to_be_tried_are_read() -> None:
    assert read_setting("image-size=32") == ("image_size", 32)
    assert read_setting("test_flip=true") == ("test_flip", True)
    assert read_space(["lr=1e-4..0.1", "augment=none,flip+crop", "epochs=2..5", "optimizer=sgd"]) == {
        "lr": Range(1e-4, 0.1), "augment": ("none", "flip,crop"), "epochs": Range(2, 5), "optimizer": ("sgd",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "there is nothing to try"),
        (["lr"], "should be a setting, =, and a value"),
        (["speed=3"], "'speed=3' should be a setting"),
        (["lr=fast"], "lr should be a float; got 'fast'"),
        (["epochs=1.5"], "epochs should be a int; got '1.5'"),
        (["test_flip=yes"], "test_flip should be true or false; got 'yes'"),
        (["lr=1..0.1"], "is no range"),
        (["model=cnn2..cnn3"], "is no range"),
        (["lr=1", "lr=2"], "lr is to be tried twice"),
    ],
)
def test_what_cannot_be_tried_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_space(texts)


def test_a_grid_has_all_combinations() -> None:
    trials = trials_of({"lr": (0.1, 0.2), "optimizer": ("sgd", "adam"), "seed": (1, 2, 3)}, 0, seed=0)
    assert len(trials) == 12 == len({tuple(trial.values()) for trial in trials})
    with pytest.raises(UsageError, match="lr has no end of values: add --trials"):
        trials_of({"lr": Range(0.1, 0.2)}, 0, seed=0)


def test_draws_are_even_over_values_whole_numbers_and_logarithms() -> None:
    space = {"lr": Range(1e-4, 1e-1), "epochs": Range(1, 3), "optimizer": ("sgd", "adam"), "mixup": Range(0.0, 0.5)}
    trials = trials_of(space, 3000, seed=5)
    logs = np.log10([trial["lr"] for trial in trials])
    assert np.histogram(logs, 3, (-4, -1))[0].min() > 900
    assert np.bincount([trial["epochs"] for trial in trials])[1:].min() > 900
    assert 1400 < sum(trial["optimizer"] == "sgd" for trial in trials) < 1600
    assert np.histogram([trial["mixup"] for trial in trials], 2, (0, 0.5))[0].min() > 1400
    assert all(float(f"{trial['lr']:.3g}") == trial["lr"] and 1e-4 <= trial["lr"] <= 1e-1 for trial in trials)
    assert trials_of(space, 10, seed=5) == trials[:10] != trials_of(space, 10, seed=6)


def test_the_best_comes_first_and_a_hopeless_one_ends_early(shapes: Path, tmp_path: Path) -> None:
    """A rate of 1e-9 learns nothing; as the fourth trial it is ended after its second epoch."""
    told = io.StringIO()
    settings = tiny(shapes, epochs=4, batch_size=8)
    space = {"lr": (3e-3, 2e-3, 1e-3, 1e-9)}
    records = search(settings, space, 0, tmp_path / "search", PlainProgress(told))
    accuracies = [record.best.val_accuracy for record in records]
    assert accuracies == sorted(accuracies, reverse=True) and accuracies[0] > 0.2
    (hopeless,) = [record for record in records if record.settings["lr"] == 1e-9]
    assert len(hopeless.history) == 2 and hopeless is records[-1]
    assert "where half of the others had" in told.getvalue()
    assert "trial 4 of 4: lr=1e-09" in told.getvalue()
    with Image.open(tmp_path / "search" / "search.png") as picture:
        assert picture.height == 480
    again = io.StringIO()
    same = search(settings, space, 0, tmp_path / "search", PlainProgress(again))
    assert [record.path for record in same] == [record.path for record in records]
    assert "images/s" not in again.getvalue(), "nothing is trained twice"


def test_without_stopping_all_epochs_are_trained(shapes: Path, tmp_path: Path) -> None:
    space = {"lr": (1e-3, 2e-3, 3e-3, 1e-9)}
    records = search(tiny(shapes), space, 0, tmp_path / "search", Progress(), stops=False)
    assert [len(record.history) for record in records] == [2, 2, 2, 2]


def test_a_trial_that_diverges_is_told_and_left_out(shapes: Path, tmp_path: Path) -> None:
    told = io.StringIO()
    space = {"lr": (1e30, 1e-3), "model": ("cnn2",)}
    (record,) = search(tiny(shapes), space, 0, tmp_path / "search", PlainProgress(told))
    assert record.settings["lr"] == 1e-3 and "training has diverged" in told.getvalue()
    with pytest.raises(UsageError, match="every trial diverged"):
        search(tiny(shapes), {"lr": (1e30,)}, 0, tmp_path / "other", Progress())


def test_trials_out_of_range_are_refused_before_any_is_trained(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="epochs must be at least 1; got 0"):
        search(tiny(shapes), {"epochs": (1, 0)}, 0, tmp_path / "search", Progress())
    assert not (tmp_path / "search").exists()
