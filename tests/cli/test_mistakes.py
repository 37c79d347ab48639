"""Whatever the user got wrong: exit code 2, one line on stderr, nothing on stdout, nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minicnn.devices import cupy_available
from tests.cli.command import SMALL, Answer, Command


def assert_one_line(answer: Answer, *parts: str) -> None:
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("minicnn: ") and answer.err.count("\n") == 1, answer.err
    for part in parts:
        assert part in answer.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--colour"], ["--colour", "; see minicnn --help\n"]),
        (["fly"], ["fly"]),
        (["train", "--model"], ["--model"]),
        (["train", "--epochs", "ten"], ["--epochs", "; see minicnn train --help\n"]),
        (["train", "--batch-size", "0"], ["batch size must be at least 1; got 0"]),
        (["train", "--epochs", "0"], ["epochs must be at least 1; got 0"]),
        (["train", "--model", "cnn9"], ["unknown model 'cnn9'", "cnn3"]),
        (["train", "no/such/folder"], ["no/such/folder", "shapes"]),
        (["train", "--resume", "no/such/run"], ["there is no run directory no/such/run"]),
        (["train", "some/folder", "--resume", "run", "--lr", "1"], ["leave out DATA, --lr"]),
        (["train", "--resume", "run", "--tf32", "--strict"], ["leave out --tf32, --strict"]),
        (["train", "~nosuchuser/x"], ["~nosuchuser/x: the home folder that ~nosuchuser means is not known"]),
        (["train", ""], ["the name of the data is empty"]),
        (["train", "--out", ""], ["the name of the run directory is empty"]),
        (["train", "--recipe", "no/such.toml"], ["cannot read the recipe 'no/such.toml': No such file"]),
        (["train", "--recipe", "."], ["cannot read the recipe '.'"]),
        (["train", "--resume", "run", "--recipe", "mine.toml"], ["leave out --recipe"]),
        (["train", "--nesterov"], ["nesterov=True is for the optimizer sgd and does nothing to adam"]),
        (["train", "--momentum", "0.95"], ["momentum=0.95 is for the optimizer sgd"]),
        (["train", "--resume", "run", "--no-strict"], ["leave out --strict"]),
        (["train", "--model", "simple_cnn"], ["simple_cnn needs pictures of at least 85 pixels: add --image-size 85"]),
        (["import", "w.pth", "--model", "resnet18", "--image-size", "0"], ["--image-size must be at least 1; got 0"]),
        (["train", "--nesterov", "--optimizer", "sgd", "--momentum", "0"], ["nesterov=True needs a momentum above 0"]),
        (["train", "--find-lr", "no/such/folder/rates.png"], ["cannot draw into 'no/such/folder/rates.png'"]),
        (["train", "--find-lr", "rates.png", "--out", "run"], ["--find-lr makes no run", "leave out --out"]),
        (["train", "--find-lr", ""], ["should be the name of a picture"]),
        (["train", "--resume", "run", "--find-lr", "rates.png"], ["leave out --find-lr"]),
        (["compare", "no/such/run"], ["there is no run directory no/such/run"]),
        (["compare"], ["RUN"]),
        (["train", "--folds", "3"], ["name a folder for them with --out"]),
        (["train", "--folds", "1", "--out", "cv"], ["at least 2 folds; got 1"]),
        (["train", "--folds", "3", "--find-lr", "rates.png"], ["leave out --out and --folds"]),
        (["search", "shapes", "--try", "lr=1e-3..1e-1", "--out", "found"], ["add --trials"]),
        (["search", "shapes", "--try", "speed=3", "--out", "found"], ["'speed=3' should be a setting"]),
        (["search", "shapes", "--try", "lr=1", "--set", "epochs=0", "--out", "found"], ["epochs must be at least 1"]),
        (["search", "shapes", "--out", "found"], ["--try"]),
        (["train", "--patience", "-1"], ["patience must be at least 0; got -1"]),
        (["evaluate", ""], ["the name of the run directory is empty"]),
        (["evaluate"], ["RUN"]),
        (["evaluate", "no/such/run"], ["there is no run directory"]),
        (["evaluate", "no/such/run", "--shift", "-1"], ["--shift"]),
        (["predict", "no/such/run", "picture.jpg"], ["there is no run directory"]),
        (["predict", "run", "picture.jpg", "--top", "0"], ["--top"]),
        (["summary", "cnn9"], ["unknown model"]),
        (["summary", "cnn3", "--image-size", "7"], ["conv"]),
        (["gradcheck", "--model", "cnn9"], ["unknown model"]),
        (["ladder", "conv3d"], ["unknown operation 'conv3d': choose one of", "conv2d"]),
        (["train", "--image-size", "1000000000"], ["not enough memory", "--image-size"]),
        (["gradcheck", "--seed", "-1"], ["at least 0; got -1"]),
        (["data", "make", "shapes", "folder", "--seed", "-1"], ["at least 0; got -1"]),
        (["data", "make", "shapes", "folder", "--size", "1000000"], ["got 500 images a class of 1000000 pixels"]),
        (["train", "x" * 300], ["File name too long"]),
        (["train", "--resume", "x" * 300], ["File name too long"]),
        (["evaluate", "x" * 300], ["File name too long"]),
        (["train", "--out", "x" * 300], ["File name too long"]),
        (["data", "download", "everything"], ["everything"]),
        (["data", "download"], ["; see minicnn data download --help\n"]),
        (["data", "make", "faces", "folder"], ["shapes"]),
        (["data", "import", "faces", "folder"], ["ilsvrc"]),
        (["data", "import", "ilsvrc", "folder"], ["there is no ILSVRC2012_img_train.tar in folder", "image-net.org"]),
        (["train", "--per-class", "-1"], ["per class must be at least 0; got -1"]),
        (["train", "--resume", "run", "--classes", "10"], ["leave out --classes"]),
    ],
)
def test_mistakes_without_any_data(
    minicnn: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], parts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(minicnn(*arguments), *parts)
    assert list(tmp_path.iterdir()) == []


def empty_class(data: Path) -> None:
    shutil.rmtree(data / "train" / "ring")
    (data / "train" / "ring").mkdir()


def one_class(data: Path) -> None:
    for part in ("train", "val"):
        for folder in (data / part).iterdir():
            if folder.name != "ring":
                shutil.rmtree(folder)


def strange_file(data: Path) -> None:
    (data / "train" / "ring" / "poem.jpg").write_text("no picture")


def disagreeing_labels(data: Path) -> None:
    (data / "labels.tsv").write_text("ring\tRing\nsphere\tSphere\n")


def labels_in_a_folder(data: Path) -> None:
    (data / "labels.tsv").mkdir()


@pytest.mark.parametrize(
    ("spoil", "options", "part"),
    [
        (empty_class, (), "ring has no images"),
        (one_class, (), "only one class"),
        (strange_file, ("--strict",), "poem.jpg"),
        (disagreeing_labels, (), "labels.tsv"),
        (labels_in_a_folder, (), "labels.tsv cannot be read"),
    ],
)
def test_spoilt_data(
    minicnn: Command, shapes: Path, tmp_path: Path, spoil: Callable[[Path], None], options: tuple[str, ...], part: str
) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    spoil(data)
    assert_one_line(minicnn("train", data, *SMALL, *options, "--out", tmp_path / "run"), part)
    assert not (tmp_path / "run").exists()


def test_classes_that_are_not_there(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    for classes, part in (("11", "choose 2 to 10"), ("ring,sphere", "no class 'sphere'"), ("few.txt", "'few.txt'")):
        answer = minicnn("train", shapes, *SMALL, "--classes", classes, "--out", tmp_path / "run")
        assert_one_line(answer, part)
        assert not (tmp_path / "run").exists()


def test_an_image_too_small_for_the_network(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    answer = minicnn("train", shapes, *SMALL, "--image-size", 6, "--out", tmp_path / "run")
    assert_one_line(answer, "conv2", "6×6×3")
    assert not (tmp_path / "run").exists()


def test_a_run_directory_that_exists(minicnn: Command, shapes: Path, run: Path) -> None:
    before = {entry.name: entry.stat().st_mtime_ns for entry in run.iterdir()}
    assert_one_line(minicnn("train", shapes, *SMALL, "--out", run), "holds a run already", "--resume")
    assert {entry.name: entry.stat().st_mtime_ns for entry in run.iterdir()} == before


def test_resuming_what_is_no_run_or_is_done(minicnn: Command, run: Path, tmp_path: Path) -> None:
    assert_one_line(minicnn("train", "--resume", tmp_path), "is no run directory")
    assert_one_line(minicnn("train", "--resume", run), "1 epochs and is done")


@pytest.mark.parametrize("spoilt", ["{", "[]", '{"settings": {}}', "\udcff", "[" * 100_000, "9" * 10_000])
def test_a_damaged_config(minicnn: Command, run: Path, tmp_path: Path, spoilt: str) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "config.json").write_bytes(spoilt.encode(errors="surrogateescape"))
    assert_one_line(minicnn("train", "--resume", copy, "--epochs", 9), "config.json is damaged")
    assert_one_line(minicnn("evaluate", copy), "config.json is damaged")
    assert_one_line(minicnn("predict", copy, "picture.jpg"), "config.json is damaged")


def test_a_config_without_normalization(minicnn: Command, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    config = json.loads((copy / "config.json").read_text())
    del config["normalization"]
    (copy / "config.json").write_text(json.dumps(config))
    assert_one_line(minicnn("evaluate", copy), "config.json is damaged", "normalization")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", 5),
        ("classes", []),
        ("class_names", ["arrow"]),
        ("class_names", [1] * 10),
        ("normalization", {"mean": [0, 0, 0], "std": ["a", "b", "c"]}),
        ("normalization", {"mean": ["a", "b", "c"], "std": [1, 1, 1]}),
        ("normalization", {"mean": [], "std": []}),
        ("normalization", [0, 1]),
        ("transform", 5),
        ("transform", "Resize"),
        ("transform", {"name": "Compose"}),
        ("transform", {"name": "Resize", "size": "large"}),
        ("transform", {"name": "Compose", "transforms": [5]}),
        ("input_shape", [16, 16]),
        ("input_shape", ["a", "b", "c"]),
        ("settings", []),
    ],
)
def test_a_config_with_a_damaged_entry(minicnn: Command, run: Path, tmp_path: Path, key: str, value: object) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {key: value}))
    assert_one_line(minicnn("evaluate", copy), "config.json is damaged")


def test_a_truncated_checkpoint(minicnn: Command, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    for name in ("best.safetensors", "state.safetensors"):
        (copy / name).write_bytes((copy / name).read_bytes()[:1000])
    assert_one_line(minicnn("evaluate", copy), "best.safetensors is damaged")
    assert_one_line(minicnn("train", "--resume", copy, "--epochs", 9), "state.safetensors is damaged")
    (copy / "best.safetensors").unlink()
    assert_one_line(minicnn("evaluate", copy), "no best.safetensors")


def test_a_checkpoint_of_another_network(minicnn: Command, shapes: Path, run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert minicnn("train", shapes, *SMALL, "--image-size", 20, "--out", other).code == 0
    copy = shutil.copytree(run, tmp_path / "run")
    for name in ("best.safetensors", "state.safetensors"):
        shutil.copy(other / name, copy / name)
    assert_one_line(minicnn("evaluate", copy), "another network")
    assert_one_line(minicnn("train", "--resume", copy, "--epochs", 9), "another network")


@pytest.mark.skipif(cupy_available(), reason="this machine has a GPU")
def test_a_gpu_where_there_is_none(minicnn: Command, shapes: Path, run: Path, tmp_path: Path) -> None:
    answer = minicnn("train", shapes, *SMALL, "--device", "gpu", "--out", tmp_path / "run")
    assert_one_line(answer, "--device cpu")
    assert not (tmp_path / "run").exists()
    assert_one_line(minicnn("evaluate", run, "--device", "gpu"), "--device cpu")
    assert_one_line(minicnn("predict", run, "picture.jpg", "--device", "gpu"), "--device cpu")


def test_predicting_a_file_that_is_no_image(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    good = next((shapes / "val").rglob("*.jpg"))
    (tmp_path / "poem.jpg").write_text("no picture")
    assert_one_line(minicnn("predict", run, good, tmp_path / "poem.jpg"), "poem.jpg cannot be read as an image")
    assert_one_line(minicnn("predict", run, good, tmp_path / "missing.jpg"), "missing.jpg")


def test_unknown_checkpoint_and_part(minicnn: Command, run: Path) -> None:
    assert_one_line(minicnn("evaluate", run, "--checkpoint", "first"), "choose best or last")
    choices = "choose validation, test or train"
    assert_one_line(minicnn("evaluate", run, "--part", "training"), choices)
    assert_one_line(minicnn("evaluate", run, "no/such/folder", "--part", "training"), choices)
    assert_one_line(minicnn("evaluate", run, "--part", "test"), "no part for a final test")
    assert_one_line(minicnn("evaluate", run, "~nosuchuser/x"), "~nosuchuser/x: the home folder")


def test_classes_that_the_run_does_not_know(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes / "val" / "ring", tmp_path / "donut")
    assert_one_line(minicnn("evaluate", run, tmp_path), "donut")


def test_a_diverging_run(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    answer = minicnn("train", shapes, *SMALL, "--epochs", 50, "--lr", 1e30, "--out", tmp_path / "run")
    assert answer.code == 2 and answer.err.count("\n") == 1
    assert "diverged; try a lower learning rate than 1e+30" in answer.err and "kept in" in answer.err


def test_a_class_whose_images_are_all_broken(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    for path in (data / "train" / "ring").iterdir():
        path.write_bytes(path.read_bytes()[:-100])  # the header is whole
    answer = minicnn("train", data, *SMALL, "--epochs", 3, "--out", tmp_path / "run")
    assert answer.code == 2 and answer.err.count("\n") == 1
    assert "the class 'ring' has no image that can be read" in answer.err
    assert not (tmp_path / "run" / "best.safetensors").exists()
