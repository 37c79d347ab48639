"""Every verb on good input: what it prints, and that --json prints one object and nothing else."""

from __future__ import annotations

import csv
import inspect
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minicnn as package
from minicnn.cli.train import train
from minicnn.data import NAMED_DATASETS
from minicnn.runs.pixels import AUGMENTATIONS, NORMALIZATIONS
from minicnn.runs.settings import Settings
from minicnn.training.optimizers import OPTIMIZERS
from minicnn.training.schedules import SCHEDULES
from tests.cli.command import SMALL, Command
from tests.data.official_archives import Archives, content
from tests.processes import started


def test_help_names_every_verb(minicnn: Command) -> None:
    answer = minicnn("--help")
    assert answer.code == 0 and answer.err == ""
    for verb in ("train", "evaluate", "predict", "compare", "search", "summary", "gradcheck", "data"):
        assert verb in answer.out


@pytest.mark.parametrize(
    "verb",
    [["train"], ["evaluate"], ["predict"], ["compare"], ["search"], ["summary"], ["gradcheck"], ["data", "make"]],
)
def test_every_verb_has_help(minicnn: Command, verb: list[str]) -> None:
    answer = minicnn(*verb, "--help")
    assert answer.code == 0 and answer.out.startswith("Usage: minicnn")


@pytest.mark.parametrize("verb", ["train", "summary", "gradcheck"])
def test_the_help_names_every_model(minicnn: Command, verb: str) -> None:
    answer = minicnn(verb, "--help")
    assert all(name in answer.out for name in package.models.MODELS)


def test_the_help_of_training_names_all_that_registries_hold(minicnn: Command) -> None:
    answer = minicnn("train", "--help")
    for registry in (OPTIMIZERS, SCHEDULES, AUGMENTATIONS, NORMALIZATIONS, NAMED_DATASETS):
        assert all(name in answer.out for name in registry)


def test_every_setting_that_is_on_or_off_can_be_switched_off(minicnn: Command) -> None:
    """In the help, whose lines break anywhere; and none is set unless it is given, or recipes would not hold."""
    switches = [field.name for field in fields(Settings) if field.default is False]
    text = minicnn("train", "--help").out
    assert switches and all(f"--no-{name.replace('_', '-')}" in text for name in switches)
    assert all(inspect.signature(train).parameters[name].default is None for name in switches)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("train --model cn", {"cnn2", "cnn3"}),
        ("train --optimizer ", set(OPTIMIZERS)),
        ("train --schedule co", {"constant", "cosine"}),
        ("train --augment flip,s", {"flip,scale"}),
        ("train sha", {"shapes"}),
        ("evaluate runs/one --checkpoint ", {"best", "last"}),
        ("summary torch", {"torch_cnn"}),
        ("data download ci", {"cifar10"}),
    ],
)
def test_the_tab_key_completes_names(
    minicnn: Command, monkeypatch: pytest.MonkeyPatch, typed: str, completed: set[str]
) -> None:
    monkeypatch.setenv("_MINICNN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"minicnn {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" "))))
    assert set(minicnn().out.split()) == completed


def test_version(minicnn: Command) -> None:
    assert minicnn("--version").out == f"minicnn {package.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom minicnn.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'scipy', 'matplotlib', 'urllib.request', 'rich', 'cupy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_train_leaves_a_run(run: Path) -> None:
    assert {"config.json", "metrics.csv", "best.safetensors", "last.safetensors", "curves.png", "confusion.png"} <= {
        entry.name for entry in run.iterdir()
    }


def test_train_to_a_folder_of_its_own_choice(
    minicnn: Command, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = minicnn("train", shapes, *SMALL)
    assert answer.code == 0 and answer.err == ""
    assert "run directory: runs/shapes-cnn2-1" in answer.out
    assert answer.out.splitlines()[-2].startswith("best epoch 1: ")
    assert Path("runs/shapes-cnn2-1/best.safetensors").exists()


def test_train_by_a_recipe_against_which_options_and_data_hold(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "small.toml", tmp_path / "run"
    recipe.write_text(
        'data = "no/such/folder"\nmodel = "cnn2"\nimage_size = 16\nepochs = 7\nbatch_size = 16\nworkers = 0\n'
        'optimizer = "sgd"\nnesterov = true\n[about]\naccuracy = "none"\n'
    )
    assert minicnn("train", shapes, "--recipe", recipe, "--epochs", 1, "--out", out).code == 0
    settings = json.loads((out / "config.json").read_text())["settings"]
    asked = {"data": str(shapes), "epochs": 1, "model": "cnn2", "image_size": 16, "nesterov": True, "lr": 1e-3}
    assert {name: settings[name] for name in asked} == asked
    assert minicnn("train", "--recipe", recipe, "--out", tmp_path / "other").err.count("no/such/folder") == 1
    switched = minicnn("train", shapes, "--recipe", recipe, "--no-nesterov", "--epochs", 1, "--out", tmp_path / "off")
    assert switched.code == 0
    assert json.loads((tmp_path / "off" / "config.json").read_text())["settings"]["nesterov"] is False


def test_a_recipe_may_say_what_to_start_from(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "head.toml", tmp_path / "run"
    recipe.write_text(f'data = "{shapes}"\ninit = "{run}"\nfreeze = "all"\nepochs = 1\nworkers = 0\n')
    assert minicnn("train", "--recipe", recipe, "--out", out).code == 0
    settings = json.loads((out / "config.json").read_text())["settings"]
    assert (settings["model"], settings["image_size"]) == ("cnn2", 16)  # those of the run that it starts from


def test_resume_trains_on(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert minicnn("train", shapes, *SMALL, "--epochs", 3, "--out", whole).code == 0
    assert minicnn("train", shapes, *SMALL, "--epochs", 2, "--out", parts).code == 0
    answer = minicnn("train", "--resume", parts, "--epochs", 3)
    assert answer.code == 0 and "2 of 3 epochs are done, going on" in answer.out
    assert (whole / "last.safetensors").read_bytes() == (parts / "last.safetensors").read_bytes()


def test_evaluate(minicnn: Command, run: Path) -> None:
    answer = minicnn("evaluate", run)
    assert answer.code == 0 and answer.out.startswith("10 images: accuracy ")
    assert "arrow" in answer.out and "triangle" in answer.out
    assert "no image" not in answer.out


def test_evaluate_says_which_classes_have_no_image(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    for name in ("arrow", "triangle"):
        shutil.copytree(shapes / "val" / name, tmp_path / name)
    lines = minicnn("evaluate", run, tmp_path).out.splitlines()
    assert lines[0].startswith("2 images: ")
    assert lines[1].startswith("no image here, and so 0 in these means: 8 of the 10 classes (")
    assert lines[1].endswith(" and 3 more)")
    figures = json.loads(minicnn("evaluate", run, tmp_path, "--json").out)
    assert figures["f1"] == pytest.approx(sum(row["f1"] for row in figures["per_class"]) / 10)


def test_evaluate_json_is_one_object(minicnn: Command, run: Path, shapes: Path) -> None:
    answer = minicnn("evaluate", run, "--json", "--checkpoint", "last")
    figures = json.loads(answer.out)
    assert answer.err == "" and answer.out.count("\n") == 1
    assert {"accuracy", "top5_accuracy", "loss", "precision", "recall", "f1", "per_class", "confusion_matrix"} <= set(
        figures
    )
    assert figures["images"] == 10 and len(figures["per_class"]) == 10
    row = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))[-1]
    assert figures["accuracy"] == pytest.approx(float(row["val_accuracy"]))
    assert figures["loss"] == pytest.approx(float(row["val_loss"]), rel=1e-4)
    assert np.trace(figures["confusion_matrix"]) == round(10 * figures["accuracy"])
    assert json.loads(minicnn("evaluate", run, shapes / "train", "--json").out)["images"] == 40


def test_evaluate_and_predict_flip_where_asked_or_where_the_run_did(
    minicnn: Command, run: Path, shapes: Path, tmp_path: Path
) -> None:
    plain = json.loads(minicnn("evaluate", run, "--json").out)["loss"]
    flipped = json.loads(minicnn("evaluate", run, "--flip", "--json").out)["loss"]
    shifted = json.loads(minicnn("evaluate", run, "--shift", "1", "--json").out)["loss"]
    assert len({plain, flipped, shifted}) == 3
    told = json.loads(minicnn("evaluate", run, "--flip", "--shift", "1", "--json").out)
    assert (told["flip"], told["shift"]) == (True, 1)
    path = shutil.copytree(run, tmp_path / "run")
    config = json.loads((path / "config.json").read_text())
    config["settings"]["test_flip"] = True
    (path / "config.json").write_text(json.dumps(config))
    as_the_run = json.loads(minicnn("evaluate", path, "--json").out)
    assert (as_the_run["loss"], as_the_run["flip"], as_the_run["shift"]) == (flipped, True, 0)
    assert json.loads(minicnn("evaluate", path, "--no-flip", "--json").out)["loss"] == plain
    image = next((shapes / "val").rglob("*.jpg"))
    Image.open(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    answers = [
        json.loads(minicnn("predict", folder, image, tmp_path / "mirrored.png", "--json").out)["predictions"]
        for folder in (run, path)
    ]
    apart, together = ([entry["top"][0]["probability"] for entry in answer] for answer in answers)
    assert together[0] == pytest.approx(together[1], rel=1e-3) != apart[0]


def test_find_lr_draws_a_picture_and_makes_no_run(
    minicnn: Command, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = minicnn("train", shapes, *SMALL, "--find-lr", "rates.png")
    assert answer.code == 0 and answer.err == ""
    assert re.fullmatch(
        r"the loss falls fastest at a learning rate of \S+, after \d+ rates from 1e-06 to \S+: see rates.png\n",
        answer.out,
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["rates.png"]
    assert Path("rates.png").read_bytes().startswith(b"\x89PNG")


def test_compare(minicnn: Command, run: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert minicnn("train", shapes, *SMALL, "--lr", 0.25, "--schedule", "cosine", "--out", "other").code == 0
    shutil.copytree(run, "one")
    answer = minicnn("compare", "one", "other")
    assert answer.code == 0 and answer.out.endswith("see compare.png\n") and Path("compare.png").exists()
    assert all(setting in answer.out for setting in ("lr=0.25", "lr=0.001", "schedule=cosine", "schedule=constant"))
    assert "epochs=" not in answer.out
    Path("compare.png").unlink()
    figures = json.loads(minicnn("compare", "one", "other", "--json").out)
    assert figures["differing_settings"] == ["lr", "schedule"]
    accuracies = {entry["run"]: entry["best_accuracy"] for entry in figures["runs"]}
    for path in ("one", "other"):
        evaluated = json.loads(minicnn("evaluate", path, "--json").out)["accuracy"]
        assert accuracies[path] == pytest.approx(evaluated)
    assert list(accuracies.values()) == sorted(accuracies.values(), reverse=True)
    assert not Path("compare.png").exists()


def test_folds_and_search(minicnn: Command, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = minicnn("train", shapes, *SMALL, "--folds", 2, "--out", "cv")
    assert answer.code == 0 and answer.out.splitlines()[-1].startswith("2 folds: ")
    assert {"fold-1", "fold-2", "compare.png"} == {entry.name for entry in Path("cv").iterdir()}
    options = ["--set", "model=cnn2", "--set", "image_size=16", "--set", "epochs=1", "--set", "workers=0"]
    answer = minicnn("search", shapes, "--try", "lr=1e-3,1e-2", "--out", "found", *options)
    assert answer.code == 0 and "lr=0.01" in answer.out
    assert {"001", "002", "search.png"} == {entry.name for entry in Path("found").iterdir()}
    answer = minicnn("search", shapes, "--try", "lr=1e-3..1e-2", "--trials", 3, "--out", "drawn", *options)
    assert answer.code == 0 and len(list(Path("drawn").iterdir())) == 4


def test_predict(minicnn: Command, run: Path, shapes: Path) -> None:
    images = sorted((shapes / "val").rglob("*.jpg"))[:2]
    answer = minicnn("predict", run, *images, "--top", 3)
    lines = answer.out.splitlines()
    assert answer.code == 0 and [lines[0], lines[4]] == [str(image) for image in images] and len(lines) == 8
    predictions = json.loads(minicnn("predict", run, *images, "--json", "--top", 10).out)["predictions"]
    assert [entry["image"] for entry in predictions] == [str(image) for image in images]
    probabilities = [entry["probability"] for entry in predictions[0]["top"]]
    assert sum(probabilities) == pytest.approx(1, rel=1e-5)
    assert probabilities == sorted(probabilities, reverse=True)


def test_gradcheck_says_which_files_it_checks(minicnn: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINICNN_KERNELS", "reference")  # the quicker half
    answer = minicnn("gradcheck")
    lines = answer.out.splitlines()
    assert answer.code == 0 and answer.err == ""
    assert lines[0] == f"checking {Path(package.__file__).parent}, its formulas (ops)"
    assert lines[-1] == "every gradient agrees with finite differences"


def test_gradcheck_does_not_pass_what_no_example_reaches(minicnn: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINICNN_KERNELS", "reference")
    monkeypatch.setattr(package.Tanh, "examples", classmethod(lambda cls: [(package.ReLU(), (3,))]))
    answer = minicnn("gradcheck")
    assert answer.code == 1
    assert "FAILED  no layer's examples lead to tanh, tanh_backward: nothing of that was checked" in answer.out


def test_summary(minicnn: Command) -> None:
    answer = minicnn("summary", "cnn3", "--image-size", 64, "--classes", 10)
    assert answer.code == 0 and "conv3" in answer.out
    larger_than_any_memory = minicnn("summary", "cnn3", "--image-size", 1_000_000_000)
    assert larger_than_any_memory.code == 0 and "1000000000×1000000000×3" in larger_than_any_memory.out


def test_data(minicnn: Command, tmp_path: Path) -> None:
    listed = minicnn("data", "list")
    assert listed.code == 0 and all(name in listed.out for name in ("shapes", "imagenette", "cifar10"))
    made = minicnn("data", "make", "shapes", tmp_path / "new", "--images-per-class", 5, "--size", 16)
    assert made.code == 0 and len(list((tmp_path / "new" / "val").rglob("*.jpg"))) == 10


def test_a_part_of_the_data(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    answer = minicnn("train", shapes, *SMALL, "--classes", "ring,heart", "--per-class", 3, "--out", tmp_path / "run")
    assert answer.code == 0 and "6 for train, 2 for validation; 2 classes" in answer.out
    figures = json.loads(minicnn("evaluate", tmp_path / "run", "--json").out)
    assert figures["images"] == 2 and [row["name"] for row in figures["per_class"]] == ["heart", "ring"]
    assert minicnn("train", "--resume", tmp_path / "run", "--epochs", 2).code == 0


def test_import_of_imagenets_archives(minicnn: Command, tmp_path: Path) -> None:
    archives = Archives()
    official = archives.write(tmp_path / "official")
    answer = minicnn("data", "import", "ilsvrc", official)
    assert answer == (0, f"{official / 'imagenet'}\n", "")
    assert content(official / "imagenet") == archives.expected()
    few = minicnn("data", "import", "ilsvrc", official, "--out", tmp_path / "few", "--classes", 2, "--per-class", 1)
    assert few.code == 0
    assert [len(list((tmp_path / "few" / part).rglob("*.JPEG"))) for part in ("train", "val")] == [2, 4]


def test_a_file_that_is_no_image_is_named_counted_and_skipped(minicnn: Command, shapes: Path, tmp_path: Path) -> None:

    data = shutil.copytree(shapes, tmp_path / "data")
    (data / "train" / "ring" / "poem.jpg").write_text("no picture")
    answer = minicnn("train", data, *SMALL, "--out", tmp_path / "run")
    assert answer.code == 0
    (line,) = [line for line in answer.out.splitlines() if "skipped" in line]
    assert line.startswith("skipped 1 file that cannot be read") and "poem.jpg" in line


def test_ctrl_c_keeps_the_run_and_says_how_to_go_on(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    arguments = [str(a) for a in ("train", shapes, *SMALL, "--epochs", 100_000, "--out", path)]
    command = [sys.executable, "-m", "minicnn", *arguments]
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not (path / "metrics.csv").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    told = [line for line in err.splitlines() if "compiling kernels" not in line]
    assert process.returncode == 130 and len(told) == 1, err
    assert f"minicnn train --resume {path} goes on" in err
    assert not list(path.glob(".*.tmp"))
    done = len((path / "metrics.csv").read_text().splitlines()) - 1
    assert minicnn("train", "--resume", path, "--epochs", done + 2).code == 0
