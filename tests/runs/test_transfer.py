"""Transfer learning: where training starts from, what stays as it is, and what a resumed run makes of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from minicnn.errors import UsageError
from minicnn.runs import run as run_module
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork
from minicnn.runs.transfer import settings_from
from minicnn.training.progress import PlainProgress


def tiny(shapes: Path, **changes: Any) -> Settings:
    settings = Settings(data=str(shapes), model="cnn2", image_size=16, batch_size=32, workers=0, epochs=2)
    return settings.changed(**changes)


def train(settings: Settings, path: Path) -> dict[str, np.ndarray]:
    """Train, and return the weights after the last epoch."""
    Run.start(settings, str(path)).train()
    return load_file(path / "last.safetensors")


@pytest.fixture(scope="module")
def teacher(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on all ten classes."""
    path = tmp_path_factory.mktemp("transfer") / "teacher"
    train(tiny(shapes, normalize="imagenet"), path)
    return path


def test_the_last_layer_alone_learns(teacher: Path, shapes: Path, tmp_path: Path) -> None:
    there = load_file(teacher / "best.safetensors")
    settings = tiny(shapes, init=str(teacher), freeze="all", classes="4")
    here = train(settings, tmp_path / "run")
    for name, array in here.items():
        if name.startswith("dense1"):
            assert array.shape[-1] == 4 and array.shape != there[name].shape
        else:
            np.testing.assert_array_equal(array, there[name], err_msg=name)
    bias = here["dense1.bias"]
    assert (bias != 0).all(), "the new layer's bias began at zero and has learnt"


def test_of_the_same_classes_the_last_layer_is_taken_too(teacher: Path, shapes: Path, tmp_path: Path) -> None:
    here = train(tiny(shapes, init=str(teacher), lr=0.0, epochs=1), tmp_path / "run")
    for name, array in load_file(teacher / "best.safetensors").items():
        np.testing.assert_array_equal(here[name], array, err_msg=name)


def test_features_that_are_computed_once_give_what_pictures_give(
    teacher: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(shapes, init=str(teacher), freeze="all", classes="4", epochs=3)
    computed: list[int] = []
    compute = run_module.compute_features
    monkeypatch.setattr(run_module, "compute_features", lambda *a: (computed.append(1), compute(*a))[1])
    by_features = train(settings, tmp_path / "features")
    assert len(computed) == 2, "those of the training and of the validation images"
    monkeypatch.setattr(run_module, "frozen_layers", lambda layers: 0)
    by_pictures = train(settings, tmp_path / "pictures")
    assert len(computed) == 2
    for name, array in by_pictures.items():
        np.testing.assert_allclose(by_features[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    "changing", [{"augment": "flip"}, {"mixup": 0.2}, {"cutmix": 1.0}, {"test_flip": True}], ids=str
)
def test_changing_pictures_are_computed_anew(
    changing: dict[str, Any], teacher: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "compute_features", lambda *a: pytest.fail("these pictures change"))
    train(tiny(shapes, init=str(teacher), freeze="all", epochs=1, **changing), tmp_path / "run")


def test_training_in_parts_that_stops_early_says_so_once(teacher: Path, shapes: Path, tmp_path: Path) -> None:
    """And not before the epoch from which all layers learn, and as many as its patience from there on."""
    told = io.StringIO()
    settings = tiny(shapes, init=str(teacher), freeze="all", unfreeze_at=5, epochs=9, lr=1e-9, patience=2)
    run = Run.start(settings, str(tmp_path / "run"), PlainProgress(told))
    run.train()
    assert told.getvalue().count("stopped early") == 1
    assert len(run.trainer.history) == 6


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_all_layers_learn_from_the_epoch_named(augment: str, teacher: Path, shapes: Path, tmp_path: Path) -> None:
    settings = tiny(shapes, init=str(teacher), freeze="all", unfreeze_at=2, augment=augment)
    before = load_file(teacher / "best.safetensors")["conv1.weight"]
    after = train(settings, tmp_path / "run")["conv1.weight"]
    assert not np.array_equal(after, before)
    frozen = train(settings.changed(epochs=1), tmp_path / "shorter")["conv1.weight"]
    np.testing.assert_array_equal(frozen, before)


def test_whitened_filters_stay_when_all_other_layers_learn_again(shapes: Path, tmp_path: Path) -> None:
    settings = tiny(shapes, whiten=True, freeze="conv2", unfreeze_at=2)
    first = train(settings.changed(epochs=1), tmp_path / "shorter")
    both = train(settings, tmp_path / "run")
    np.testing.assert_array_equal(both["conv1.weight"], first["conv1.weight"])
    assert not np.array_equal(both["conv2.weight"], first["conv2.weight"])


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_resumed_run_equals_one_that_never_stopped(stop: int, teacher: Path, shapes: Path, tmp_path: Path) -> None:
    settings = tiny(shapes, init=str(teacher), freeze="conv*", unfreeze_at=3, rates="dense1=5", classes="4", epochs=4)
    whole = train(settings, tmp_path / "whole")
    Run.start(settings.changed(epochs=stop), str(tmp_path / "parts")).train()
    Run.resume(str(tmp_path / "parts"), epochs=4).train()
    for name, array in load_file(tmp_path / "parts" / "last.safetensors").items():
        np.testing.assert_array_equal(array, whole[name], err_msg=name)


def test_layers_learn_at_rates_of_their_own(teacher: Path, shapes: Path, tmp_path: Path) -> None:
    there = load_file(teacher / "best.safetensors")
    here = train(tiny(shapes, init=str(teacher), rates="conv*=0, conv2=0.5", epochs=1), tmp_path / "run")
    np.testing.assert_array_equal(here["conv1.weight"], there["conv1.weight"])
    assert not np.array_equal(here["conv2.weight"], there["conv2.weight"])


def test_the_settings_come_from_what_training_starts_from(teacher: Path) -> None:
    assert settings_from(str(teacher)) == {
        "model": "cnn2", "image_size": 16, "fit": "squash", "normalize": "imagenet",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": "conv9"}, "no layer of the network is called conv9: with weights there are conv1, conv2, dense1"),
        ({"freeze": "*"}, "leaves nothing to learn"),
        ({"init": "nowhere"}, "there is no run directory nowhere, nor .*efficientnet_lite0"),
        ({"init": "TEACHER", "model": "cifar_cnn", "image_size": 32}, "training cannot start from cnn2: "),
        ({"freeze": " , "}, "freeze= ,  names no layer: leave it out"),
        ({"rates": ","}, "rates=, names no layer: leave it out"),
        ({"rates": "conv1"}, "rates are PATTERN=FACTOR"),
        ({"rates": "conv1=-1"}, "rates are PATTERN=FACTOR"),
        ({"rates": "conv7=2"}, "no layer of the network is called conv7"),
        ({"fit": "stretch"}, "unknown fit 'stretch': choose one of squash, crop"),
        ({"whiten": True, "freeze": "conv2,dense*"}, "leaves nothing to learn"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    changes: dict[str, Any], message: str, teacher: Path, shapes: Path, tmp_path: Path
) -> None:
    changes = {name: str(teacher) if value == "TEACHER" else value for name, value in changes.items()}
    with pytest.raises(UsageError, match=message):
        Run.start(tiny(shapes, **changes), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unfreeze_at": -1}, "unfreeze at must be at least 0"),
        ({"unfreeze_at": 2}, "needs something frozen: add --freeze"),
        ({"unfreeze_at": 2, "freeze": "conv1", "prune": 0.5}, "leave out --unfreeze-at"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str, shapes: Path) -> None:
    with pytest.raises(UsageError, match=message):
        tiny(shapes, **changes)


def test_features_that_are_too_large_to_keep_are_not_kept(
    teacher: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "compute_features", lambda *a: pytest.fail("these are too large"))
    monkeypatch.setattr(run_module, "FEATURE_LIMIT", 100 * 7 * 7 * 32 * 4 - 1)
    train(tiny(shapes, init=str(teacher), freeze="conv1", epochs=1), tmp_path / "run")


def test_a_run_of_frozen_layers_is_evaluated_like_any_other(teacher: Path, shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    result = Run.start(tiny(shapes, init=str(teacher), freeze="all"), str(path)).train()
    trained = TrainedNetwork.open(str(path))
    assert trained.predict([str(p) for p in sorted(shapes.rglob("*.jpg"))[:3]]).shape == (3, 10)
    assert 0 <= result.accuracy <= 1
