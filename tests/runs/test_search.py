"""The search: what it tries, what it ends early, that it goes on where it was stopped, what it finds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn import models
from minicnn.errors import UsageError
from minicnn.runs import search as search_module
from minicnn.runs.network_file import NetworkFacts, save_network
from minicnn.runs.pixels import NORMALIZATIONS, make_transforms
from minicnn.runs.run import Run
from minicnn.runs.search import Range, read_setting, read_space, search, trials_of
from minicnn.runs.series import Member
from minicnn.runs.settings import Settings
from minicnn.training.progress import PlainProgress, Progress
from minicnn.training.trainer import Diverged


def tiny(shapes: Path, **changes: Any) -> dict[str, Any]:
    return {"data": str(shapes), "model": "cnn2", "image_size": 16, "workers": 0, "epochs": 2, **changes}


def test_settings_and_what_is_to_be_tried_are_read() -> None:
    assert read_setting("image-size=32") == ("image_size", 32)
    assert read_setting("test_flip=true") == ("test_flip", True)
    assert read_space(["lr=1e-4..0.1", "augment=none,flip+crop", "epochs=2..5", "optimizer=sgd"]) == {
        "lr": Range(1e-4, 0.1), "augment": ("none", "flip,crop"), "epochs": Range(2, 5), "optimizer": ("sgd",),
    }  # fmt: skip


def test_plus_stands_for_a_comma_in_lists_alone(tmp_path: Path) -> None:
    named = tmp_path / "a+b.txt"
    named.write_text("ring\nheart\n")
    read = read_space(
        [
            "lr=1e+3,1e-3", "rates=conv*=1e+1+dense1=2,*=0.1", "freeze=conv1+conv2,", f"classes=ring+heart,{named},4",
            "data=a+b/c,../a..b", "init=../one,../two",
        ]
    )  # fmt: skip
    assert read == {
        "lr": (1000.0, 0.001), "rates": ("conv*=1e+1,dense1=2", "*=0.1"), "freeze": ("conv1,conv2", ""),
        "classes": ("ring,heart", str(named), "4"), "data": ("a+b/c", "../a..b"), "init": ("../one", "../two"),
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
        (["lr=1..1"], "is no range"),
        (["lr=1..one"], "lr should be a float; got 'one'"),
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


def test_no_two_trials_are_the_same() -> None:
    assert read_space(["lr=1e-3,0.001,1", "seed=2,1,2"]) == {"lr": (0.001, 1.0), "seed": (2, 1)}
    space = {"epochs": Range(1, 3), "optimizer": ("sgd", "adam")}
    trials = trials_of(space, 50, seed=0)
    assert len({tuple(trial.values()) for trial in trials}) == len(trials) == 6
    assert trials_of(space, 4, seed=0) == trials[:4]


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
    assert "epoch 1/" not in again.getvalue(), "nothing is trained twice"


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


@pytest.mark.parametrize(
    ("tried", "message"),
    [
        ({"epochs": (1, 0)}, "trial 2 of 2: epochs=0: epochs must be at least 1; got 0"),
        ({"lr": (1e-3, -1.0)}, r"trial 2 of 2: lr=-1\.0: lr=-1\.0 should be at least 0"),
        ({"optimizer": ("sgd", "adma")}, "trial 2 of 2: optimizer=adma: unknown optimizer 'adma'"),
        ({"augment": ("none", "mirror")}, "unknown augmentation 'mirror'"),
        ({"model": ("cnn2", "cnn2..cnn3")}, r"unknown model 'cnn2\.\.cnn3'"),
        ({"model": ("cnn2", "simple_cnn")}, "simple_cnn needs pictures of at least 85 pixels"),
        ({"freeze": ("conv1", "conv7")}, "no layer of the network is called conv7"),
        ({"ema": (0.9, 1.0)}, "decay of a weight average"),
        ({"classes": ("4", "40")}, "the first 40 classes were asked for"),
        ({"init": ("", "no/such")}, "there is no run directory no/such"),
        ({"nesterov": (False, True)}, "trial 2 of 2: nesterov=True: nesterov=True is for the optimizer sgd"),
    ],
)
def test_trials_that_cannot_be_trained_are_refused_before_any_is(
    tried: dict[str, tuple[Any, ...]], message: str, shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        search(tiny(shapes), tried, 0, tmp_path / "search", Progress())
    assert not (tmp_path / "search").exists()


def test_a_network_to_start_from_brings_its_settings_into_its_trial(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = make_transforms(16, "none")[1]
    facts = NetworkFacts("cnn2", (16, 16, 3), ("a", "b"), ("a", "b"), NORMALIZATIONS["imagenet"], transform)
    save_network(models.build("cnn2", (16, 16, 3), classes=2), facts, tmp_path / "net.safetensors")
    prepared: list[Member] = []
    monkeypatch.setattr(search_module, "require_trainable", lambda members, folder: prepared.extend(members))
    monkeypatch.setattr(search_module, "trained", lambda *_: (_ for _ in ()).throw(Diverged("here it ends")))
    given, space = {"data": str(shapes), "model": "cifar_cnn"}, {"init": ("", str(tmp_path / "net.safetensors"))}
    with pytest.raises(UsageError, match="every trial diverged"):
        search({"data": str(shapes)}, space, 0, tmp_path / "search", Progress())
    assert [(m.settings.model, m.settings.image_size) for m in prepared] == [("cnn3", 40), ("cnn2", 16)]
    prepared.clear()
    with pytest.raises(UsageError, match="every trial diverged"):
        search(given, space, 0, tmp_path / "search", Progress())
    assert [(m.settings.model, m.settings.image_size) for m in prepared] == [("cifar_cnn", 40), ("cifar_cnn", 16)]


def test_a_search_in_the_folder_of_a_run_is_refused(shapes: Path, tmp_path: Path) -> None:
    Run.start(Settings(**tiny(shapes)), str(tmp_path / "run"))
    before = sorted((tmp_path / "run").iterdir())
    with pytest.raises(UsageError, match="run is the folder of a run itself: name another one with --out"):
        search(tiny(shapes), {"lr": (1e-3, 1e-2)}, 0, tmp_path / "run", Progress())
    assert sorted((tmp_path / "run").iterdir()) == before


def test_fewer_trials_than_asked_for_are_told(shapes: Path, tmp_path: Path) -> None:
    told = io.StringIO()
    with pytest.raises(UsageError, match="lr=-"):
        search(tiny(shapes), {"lr": (-1.0, -2.0)}, 5, tmp_path / "search", PlainProgress(told))
    assert told.getvalue() == "2 different trials could be drawn, not 5\n"
