"""A run from settings to a folder: what it holds, what it can be rebuilt from, what is refused before it exists."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from minicnn.data import Loader, read_image
from minicnn.errors import Interrupted, UsageError
from minicnn.runs import run as run_module
from minicnn.runs import trained as trained_module
from minicnn.runs.run import Run
from minicnn.runs.run_directory import DirectoryTaken, RunDirectory, free_run_directory
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork
from minicnn.training.evaluation import evaluate
from minicnn.training.progress import PlainProgress
from minicnn.training.trainer import Trainer
from minicnn.training.whitening import whitening_filters

PNG = b"\x89PNG\r\n\x1a\n"


def tiny(shapes: Path, **changes: Any) -> Settings:
    return Settings(data=str(shapes), model="cnn2", image_size=16, batch_size=32, workers=0).changed(**changes)


@pytest.fixture(scope="module")
def finished(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of three epochs with augmentation."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    Run.start(tiny(shapes, epochs=3, augment="flip,crop"), str(path)).train()
    return path


def test_the_folder_holds_everything(finished: Path, shapes: Path) -> None:
    assert {entry.name for entry in finished.iterdir()} == {
        "config.json", "metrics.csv", "best.safetensors", "last.safetensors", "state.safetensors", "curves.png",
        "confusion.png",
    }  # fmt: skip
    config = json.loads((finished / "config.json").read_text())
    assert Settings.from_config(config["settings"]) == tiny(shapes, epochs=3, augment="flip,crop")
    assert config["classes"][:2] == ["arrow", "circle"] and len(config["class_names"]) == 10
    assert config["images"] == {"train": 80, "validation": 20}
    assert config["input_shape"] == [16, 16, 3]
    assert {"minicnn", "python", "numpy", "numba"} <= set(config["versions"])
    assert [step["name"] for step in config["train_transform"]["transforms"]] == [
        "Resize", "HorizontalFlip", "RandomCrop",
    ]  # fmt: skip
    rows = list(csv.DictReader((finished / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for picture in ("curves.png", "confusion.png"):
        assert (finished / picture).read_bytes().startswith(PNG)


def test_a_resumed_run_equals_one_that_never_stopped(finished: Path, shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "resumed"
    Run.start(tiny(shapes, epochs=1, augment="flip,crop"), str(path)).train()
    Run.resume(str(path), epochs=3).train()
    for name in ("last.safetensors", "best.safetensors"):
        assert (path / name).read_bytes() == (finished / name).read_bytes()
    assert json.loads((path / "config.json").read_text())["settings"]["epochs"] == 3


def test_the_trained_run_does_as_its_table_says(finished: Path) -> None:
    rows = list(csv.DictReader((finished / "metrics.csv").read_text().splitlines()))
    for checkpoint, expected in (("last", rows[-1]["val_accuracy"]), ("best", max(r["val_accuracy"] for r in rows))):
        trained = TrainedNetwork.open(str(finished), checkpoint)
        loader = Loader(trained.images(), 7, trained.facts.transform)
        result = evaluate(trained.net, loader, trained.facts.normalization)
        assert result.accuracy == pytest.approx(float(expected))


def test_of_a_run_with_averaged_weights_the_average_is_kept(shapes: Path, tmp_path: Path) -> None:
    """And the state holds both: going on, the run learns what it would have learnt."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = tiny(shapes, epochs=3, ema=0.9, clip_norm=1.0, accumulate=2)
    Run.start(settings, str(whole)).train()
    Run.start(settings.changed(epochs=1), str(parts)).train()
    Run.resume(str(parts), epochs=3).train()
    rows = list(csv.DictReader((whole / "metrics.csv").read_text().splitlines()))
    last = TrainedNetwork.open(str(whole), "last")
    result = evaluate(last.net, Loader(last.images(), 7, last.facts.transform), last.facts.normalization)
    assert result.loss == pytest.approx(float(rows[-1]["val_loss"]), rel=1e-4)
    weights = load_file(whole / "state.safetensors")
    kept = load_file(whole / "last.safetensors")
    for name, array in kept.items():
        np.testing.assert_array_equal(array, weights[f"average:{name}"])
        assert (array != weights[f"weights:{name}"]).any()
    for name in ("last.safetensors", "best.safetensors"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    for name, array in load_file(parts / "state.safetensors").items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


def test_a_whitened_run_keeps_its_filters_and_goes_on_as_if_never_interrupted(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = tiny(shapes, epochs=2, whiten=True, lookahead=2, optimizer="sgd", momentum=0.5, augment="flip")
    run = Run.start(settings, str(whole))
    run.train()
    pictures = np.concatenate([images for images, _ in run.training.epoch(0)])
    weight = whitening_filters(run.normalization(pictures), 3, 3, filters=32)
    for name in ("last.safetensors", "best.safetensors"):
        np.testing.assert_allclose(load_file(whole / name)["conv1.weight"], weight, rtol=1e-6, atol=1e-6)
    with monkeypatch.context() as interrupt:
        tables = iter([run_module.to_csv])  # the second epoch finds none
        interrupt.setattr(run_module, "to_csv", lambda history: next(tables, interrupted)(history))
        with pytest.raises(Interrupted):
            Run.start(settings, str(parts)).train()
    Run.resume(str(parts)).train()
    assert (whole / "last.safetensors").read_bytes() == (parts / "last.safetensors").read_bytes()


def test_a_run_that_stopped_early_knows_it(shapes: Path, tmp_path: Path) -> None:
    path, stream = tmp_path / "run", io.StringIO()
    Run.start(tiny(shapes, epochs=50, lr=1e-9, patience=2), str(path), PlainProgress(stream)).train()
    assert stream.getvalue().splitlines()[-1].startswith("stopped early: 2 epochs without a better validation accuracy")
    done = len((path / "metrics.csv").read_text().splitlines()) - 1
    assert done < 50
    with pytest.raises(UsageError, match=rf"trained for {done} epochs and stopped early: .*; --patience 0 would go on"):
        Run.resume(str(path))
    (path / "confusion.png").unlink()
    assert "finishing the pictures" in Run.resume(str(path)).describe()[-1]
    run = Run.resume(str(path), patience=0, epochs=done + 1)
    run.train()
    assert len(run.trainer.history) == done + 1


def test_images_of_another_folder(finished: Path, shapes: Path, tmp_path: Path) -> None:
    trained = TrainedNetwork.open(str(finished))
    assert len(trained.images(str(shapes))) == 20
    assert len(trained.images(str(shapes / "train"))) == 80
    (tmp_path / "strange").mkdir()
    with pytest.raises(UsageError, match="not among"):
        trained.images(str(tmp_path))


def test_predictions_are_the_networks(finished: Path, shapes: Path) -> None:
    paths = sorted(map(str, (shapes / "val").rglob("*.jpg")))
    probabilities = TrainedNetwork.open(str(finished)).predict(paths)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    one_by_one = np.concatenate([TrainedNetwork.open(str(finished)).predict([path]) for path in paths[:3]])
    np.testing.assert_allclose(probabilities[:3], one_by_one, rtol=1e-4)


def test_no_more_pictures_are_read_ahead_than_are_looked_at_at_once(
    finished: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    looked_at: list[int] = []
    trained = TrainedNetwork.open(str(finished))
    forward = trained.net.forward
    monkeypatch.setattr(trained_module, "IMAGES_AT_ONCE", 8)
    monkeypatch.setattr(trained_module, "read_image", lambda path: (read.append(path), read_image(path))[1])
    monkeypatch.setattr(trained.net, "forward", lambda x: (looked_at.append(len(read)), forward(x))[1])
    paths = sorted(map(str, (shapes / "val").rglob("*.jpg")))
    assert trained.predict(paths).shape == (20, 10)
    assert looked_at == [8, 16, 20] and read == paths


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "cnn9"}, "unknown model 'cnn9': choose one of .*cnn3"),
        ({"optimizer": "adagrad"}, "unknown optimizer 'adagrad': choose one of sgd, adam"),
        ({"schedule": "saw"}, "unknown schedule"),
        ({"augment": "flip,mirror"}, "unknown augmentation 'mirror'"),
        ({"normalize": "1-2"}, "unknown normalization"),
        ({"device": "tpu"}, "unknown device"),
        ({"image_size": 5}, "conv2"),
        ({"lr": -1.0}, "lr"),
        ({"clip_norm": -1.0}, "clip_norm -1.0 should be above 0"),
        ({"ema": 1.0}, "decay of a weight average"),
        ({"mixup": -0.1}, "mixup and cutmix are at least 0"),
        ({"class_weights": "even"}, "unknown class weights 'even': choose one of none, balanced"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"data": "no/such/folder"}, "no folder"),
    ],
)
def test_nothing_is_written_when_something_is_refused(
    shapes: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Run.start(tiny(shapes, **changes), str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_some_of_the_classes(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("square\nheart\nring\n")
    settings = tiny(shapes, epochs=2, classes=str(tmp_path / "few.txt"), per_class=5)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Run.start(settings, str(whole)).train()
    Run.start(settings.changed(epochs=1), str(parts)).train()
    (tmp_path / "few.txt").unlink()  # the run knows its classes
    Run.resume(str(parts), epochs=2).train()
    assert (parts / "last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()

    config = json.loads((whole / "config.json").read_text())
    assert config["classes"] == ["heart", "ring", "square"] and config["images"] == {"train": 15, "validation": 6}
    trained = TrainedNetwork.open(str(whole))
    for data, images in ((None, 6), (str(shapes), 6), (str(shapes / "train"), 24)):
        assert np.bincount(trained.images(data).labels).tolist() == [images // 3] * 3
    assert trained.predict([str(next((shapes / "val" / "ring").iterdir()))]).shape == (1, 3)


def test_a_class_whose_name_holds_a_comma_is_learnt_resumed_and_evaluated(shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    for part in ("train", "val"):
        (data / part / "ring").rename(data / part / "ring, golden")
    (tmp_path / "few.txt").write_text("ring, golden\nheart\n")
    path = tmp_path / "run"
    Run.start(tiny(data, epochs=1, classes=str(tmp_path / "few.txt")), str(path)).train()
    Run.resume(str(path), epochs=2).train()
    assert json.loads((path / "config.json").read_text())["classes"] == ["heart", "ring, golden"]
    assert len(TrainedNetwork.open(str(path)).images()) == 4


def test_a_run_of_before_a_setting_was_added_is_opened(finished: Path, shapes: Path, tmp_path: Path) -> None:
    path = shutil.copytree(finished, tmp_path / "run")
    config = json.loads((path / "config.json").read_text())
    for name in ("nesterov", "fit", "rates", "patience"):
        del config["settings"][name]
    (path / "config.json").write_text(json.dumps(config))
    assert TrainedNetwork.open(str(path)).settings == tiny(shapes, epochs=3, augment="flip,crop")
    assert Run.resume(str(path), epochs=4).settings.fit == "squash"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"nesterov": True},
            "nesterov=True is for the optimizer sgd and does nothing to adam",
        ),
        ({"momentum": 0.5}, "momentum=0.5 is for the optimizer sgd and does nothing to adam"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    changes: dict[str, Any], message: str, shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        Run.start(tiny(shapes, **changes), str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []
    Run.prepare(tiny(shapes, optimizer="sgd", **changes), str(tmp_path / "run"))


def test_what_is_set_reaches_the_trainer(shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    for image in list((data / "train" / "ring").iterdir())[2:]:
        image.unlink()
    settings = tiny(
        data, class_weights="balanced", mixup=0.25, cutmix=0.5, clip_norm=2.0, accumulate=3, ema=0.75, patience=4,
        test_flip=True, seed=6,
    )  # fmt: skip
    run = Run.start(settings, str(tmp_path / "run"))
    trainer, counts = run.trainer, np.bincount(run.splits.train.labels)
    np.testing.assert_allclose(trainer.loss.class_weights, counts.sum() / (10 * counts))
    assert sorted(set(counts)) == [2, 8]
    assert vars(trainer.mixing) == {"mixup": 0.25, "cutmix": 0.5, "seed": 6}
    assert (trainer.clip_norm, trainer.accumulate, trainer.average.decay) == (2.0, 3, 0.75)
    assert (trainer.patience, trainer.test_flip) == (4, True)
    sgd = Run.start(tiny(data, optimizer="sgd", momentum=0.5, nesterov=True), str(tmp_path / "sgd")).trainer.optimizer
    assert (sgd.momentum, sgd.nesterov) == (0.5, True)
    assert Run.start(tiny(data, lookahead=7), str(tmp_path / "looking")).trainer.average.every == 7
    plain = Run.start(tiny(data), str(tmp_path / "plain")).trainer
    assert plain.mixing is None and plain.average is None and plain.loss.class_weights is None


def test_settings_check_types_and_ranges() -> None:
    assert Settings(lr=1).lr == 1.0 and isinstance(Settings(lr=1).lr, float)
    with pytest.raises(UsageError, match="batch size must be at least 1; got 0"):
        Settings(batch_size=0)
    with pytest.raises(UsageError, match="epochs should be a int"):
        Settings(epochs="ten")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there are unknown settings: colour"):
        Settings.from_config({**Settings().to_config(), "colour": 1})


def test_changed_images_are_noticed(shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    Run.start(tiny(data, epochs=2), str(tmp_path / "run"))
    next((data / "train" / "ring").iterdir()).unlink()
    with pytest.raises(UsageError, match=r"are not those that .* was trained on"):
        Run.resume(str(tmp_path / "run"))


def test_a_finished_run_says_how_to_go_on(finished: Path) -> None:
    with pytest.raises(UsageError, match=r"3 epochs and is done; --epochs 13"):
        Run.resume(str(finished))


def test_a_run_killed_after_its_last_epoch_finishes_its_pictures(
    finished: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is when its metrics and state are written, and nothing after them."""
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "draw_curves", lambda *arguments: None)
        patch.setattr(run_module, "draw_confusion", lambda *arguments: None)
        expected = Run.start(tiny(shapes, epochs=3, augment="flip,crop"), str(path)).train()
    assert not (path / "confusion.png").exists()
    stream = io.StringIO()
    result = Run.resume(str(path), PlainProgress(stream)).train()
    assert "3 of 3 epochs are done, finishing the pictures" in stream.getvalue()
    assert (result.confusion == expected.confusion).all()
    for name in ("curves.png", "confusion.png"):
        assert (path / name).read_bytes() == (finished / name).read_bytes()
    with pytest.raises(UsageError, match="is done"):
        Run.resume(str(path))


def test_a_picture_of_fewer_epochs_does_not_make_a_run_finished(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(finished, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "draw_confusion", lambda *arguments: None)
        Run.resume(str(path), epochs=4).train()
    assert not (path / "confusion.png").exists()
    Run.resume(str(path)).train()
    assert (path / "confusion.png").read_bytes().startswith(PNG)
    with pytest.raises(UsageError, match="4 epochs and is done"):
        Run.resume(str(path), epochs=2)


def test_an_epoch_whose_writing_was_interrupted_is_not_said_to_be_kept(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.start(tiny(shapes, epochs=3), str(tmp_path / "run"))
    tables = iter([run_module.to_csv])  # the second epoch finds none
    monkeypatch.setattr(run_module, "to_csv", lambda history: next(tables, interrupted)(history))
    with pytest.raises(Interrupted, match="What 1 epoch learnt is kept"):
        run.train()
    assert "1 of 3 epochs are done" in Run.resume(str(tmp_path / "run")).describe()[-1]


def interrupted(history: object) -> str:
    raise KeyboardInterrupt


def test_what_a_killed_run_left_half_written_is_cleared(finished: Path, shapes: Path, tmp_path: Path) -> None:
    path = shutil.copytree(finished, tmp_path / "run")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leftover, own = path / f".state.safetensors.{ended.pid}.tmp", path / ".diary.tmp"
    leftover.write_bytes(b"half")
    own.write_text("dear diary")
    Run.resume(str(path), epochs=4)
    assert not leftover.exists() and own.exists()
    new = tmp_path / "new"
    new.mkdir()
    (new / leftover.name).write_bytes(b"half")
    Run.start(tiny(shapes), str(new))
    assert {entry.name for entry in new.iterdir()} == {"config.json", "state.safetensors"}


def test_free_run_directories_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert free_run_directory("shapes", "cnn3").path == Path("runs/shapes-cnn3-1")
    Path("runs/shapes-cnn3-1").mkdir(parents=True)
    assert free_run_directory("shapes", "cnn3").path == Path("runs/shapes-cnn3-2")
    assert free_run_directory("some/where/flowers/", "cnn2").path == Path("runs/flowers-cnn2-1")


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    RunDirectory(tmp_path).require_unused()
    RunDirectory(tmp_path / "new").require_unused()
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(UsageError, match="not an empty folder"):
        RunDirectory(tmp_path).require_unused()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="--resume"):
        RunDirectory(tmp_path).require_unused()


def test_plain_progress_speaks_in_lines(shapes: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    Run.start(tiny(shapes, epochs=2), str(tmp_path / "run"), PlainProgress(stream)).train()
    lines = stream.getvalue().splitlines()
    assert lines[0] == f"{shapes}: 80 for train, 20 for validation; 10 classes"
    assert lines[1].startswith("cnn2 on 16×16 pixels: ")
    assert [line.split(":")[0] for line in lines[-2:]] == ["epoch 1/2", "epoch 2/2"]
    assert "\x1b" not in stream.getvalue()


def test_only_one_of_two_runs_gets_a_folder(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "run")
    first.require_unused()
    second.require_unused()
    first.create({"mine": 1})
    with pytest.raises(DirectoryTaken, match="holds a run already"):
        second.create({"mine": 2})
    assert json.loads(first.config.read_text()) == {"mine": 1}


def test_a_numbered_folder_taken_meanwhile_is_passed_over(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = iter(["runs/one", "runs/one", "runs/two"])
    monkeypatch.setattr(run_module, "free_run_directory", lambda data, model: RunDirectory(next(names)))
    monkeypatch.setattr(RunDirectory, "require_unused", lambda self: None)  # as if both had looked at the same moment
    assert Run.start(tiny(shapes)).directory.path == Path("runs/one")
    assert Run.start(tiny(shapes)).directory.path == Path("runs/two")


def test_a_run_that_cannot_begin_leaves_nothing(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_is_full(trainer: Trainer, path: Path) -> None:
        raise UsageError("no space left")

    monkeypatch.setattr(run_module, "save_checkpoint", disk_is_full)
    with pytest.raises(UsageError, match="no space left"):
        Run.start(tiny(shapes), str(tmp_path / "runs" / "one"))
    assert list(tmp_path.iterdir()) == []


def test_class_names_of_no_encoding(shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    name = os.fsdecode(b"caf\xe9")
    for part in ("train", "val"):
        (data / part / "ring").rename(data / part / name)
    run = Run.start(tiny(data), str(tmp_path / "run"))
    assert name in run.directory.read_config()["classes"]
