"""`--model FILE.py` with every verb; and a run directory with such a file does nothing that nobody named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from minicnn.inspection import checks
from tests.cli.command import SMALL, Answer, Command

NETWORK = """
import os
from pathlib import Path
from minicnn import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU

with Path(os.environ["MINICNN_TEST_LOG"]).open("a") as log:  # whoever executes this leaves a trace
    log.write(__file__ + "\\n")

def my_net(classes):
    return [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.2), Dense(classes)]
"""
TRAIN = [option for option in SMALL if option not in ("--model", "cnn2")]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which the network writes that it is executed."""
    monkeypatch.setenv("MINICNN_TEST_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture(scope="module")
def trained(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Return the network's file and a finished run of it."""
    from minicnn.cli.main import main

    folder = tmp_path_factory.mktemp("own")
    file = folder / "my_net.py"
    file.write_text(NETWORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICNN_TEST_LOG", str(folder / "log"))
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in ("train", shapes, *TRAIN, "--model", file, "--out", folder / "run")])
    assert end.value.code in (0, None)
    yield file, folder / "run"


@pytest.fixture
def own(trained: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Return the network's file and a run directory to do with what one likes."""
    return trained[0], shutil.copytree(trained[1], tmp_path / "run")


def executed(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def assert_refused(answer: Answer, *parts: str) -> None:
    assert answer.code == 2 and answer.out == "" and answer.err.count("\n") == 1, answer
    for part in parts:
        assert part in answer.err


def test_the_run_keeps_the_file_and_says_that_it_is_code(own: tuple[Path, Path]) -> None:
    file, run = own
    config = json.loads((run / "config.json").read_text())
    assert (run / "my_net.py").read_bytes() == file.read_bytes()
    assert config["settings"]["model"] == "my_net.py:my_net"
    assert config["code"].startswith("This folder holds a network's code. It is executed only when --model names")


def test_nothing_is_executed_that_is_not_named(
    minicnn: Command, own: tuple[Path, Path], shapes: Path, log: Path
) -> None:
    _, run = own
    image = next((shapes / "val").rglob("*.jpg"))
    for verb in (("evaluate", run), ("predict", run, image), ("train", "--resume", run, "--epochs", 2)):
        assert_refused(minicnn(*verb), "which is code", f"read {run}/my_net.py, then add --model {run}/my_net.py")
    assert executed(log) == []


def test_settings_that_lead_elsewhere_execute_nothing(
    minicnn: Command, own: tuple[Path, Path], tmp_path: Path, log: Path
) -> None:
    """A run directory from elsewhere may say anything in its settings."""
    file, run = own
    config = json.loads((run / "config.json").read_text())
    for model in (str(file), "../run/my_net.py", f"{file}:my_net", "~nosuchuser/x.py"):
        config["settings"]["model"] = model
        (run / "config.json").write_text(json.dumps(config))
        assert_refused(minicnn("evaluate", run))
    assert executed(log) == []


def test_named_it_is_evaluated_and_predicts(minicnn: Command, own: tuple[Path, Path], shapes: Path, log: Path) -> None:
    file, run = own
    image = next((shapes / "val").rglob("*.jpg"))
    by_original = minicnn("evaluate", run, "--model", file, "--json")
    by_copy = minicnn("evaluate", run, "--model", f"{run}/my_net.py:my_net", "--json")
    assert by_original.code == 0 and by_original == by_copy
    assert executed(log) == [str(file), f"{run}/my_net.py"]
    assert minicnn("predict", run, image, "--model", run / "my_net.py").code == 0


def test_a_resumed_run_goes_on_bit_by_bit(minicnn: Command, own: tuple[Path, Path], shapes: Path, log: Path) -> None:
    file, run = own
    whole = run.with_name("whole")
    answer = minicnn("train", "--resume", run, "--epochs", 2, "--model", run / "my_net.py")
    assert answer.code == 0 and f"minicnn evaluate {run} --model {run}/my_net.py" in answer.out
    assert minicnn("train", shapes, *TRAIN, "--epochs", 2, "--model", file, "--out", whole).code == 0
    assert (run / "last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()


def test_another_file_than_the_run_s_is_refused_and_not_executed(
    minicnn: Command, own: tuple[Path, Path], run: Path, tmp_path: Path, log: Path
) -> None:
    _, own_run = own
    other = tmp_path / "other.py"
    other.write_text(NETWORK.replace("ReLU()", "ReLU(), ReLU()"))
    assert_refused(minicnn("evaluate", own_run, "--model", other), f"name {own_run}/my_net.py")
    assert_refused(minicnn("evaluate", own_run, "--model", f"{own_run}/my_net.py:net"), "the function my_net, not net")
    assert_refused(minicnn("evaluate", own_run, "--model", "cnn2"), "'cnn2' names no Python file")
    assert_refused(minicnn("evaluate", run, "--model", other), "trained with cnn2, which minicnn knows")
    assert_refused(minicnn("train", "--resume", run, "--epochs", 3, "--model", "cnn3"), "leave out --model")
    assert executed(log) == []


def test_training_starts_from_its_weights_and_executes_only_the_file_that_is_named(
    minicnn: Command, own: tuple[Path, Path], shapes: Path, tmp_path: Path, log: Path
) -> None:
    file, run = own
    exported = tmp_path / "mine.safetensors"
    command = ("train", shapes, "--epochs", 1, "--workers", 0, "--freeze", "all", "--classes", 3, "--out")
    assert_refused(minicnn(*command, tmp_path / "new", "--init", run), f"read {run}/my_net.py, then add --model {run}/")
    assert executed(log) == []
    assert minicnn("export", run, "--format", "safetensors", "--out", exported, "--model", file).code == 0
    told = "mine.safetensors was trained with a network of its own, my_net.py, which is code"
    assert_refused(minicnn(*command, tmp_path / "new", "--init", exported), told, "the path of your my_net.py")
    for start in (run, exported):
        answer = minicnn(*command, tmp_path / f"from-{start.name}", "--init", start, "--model", file)
        assert answer.code == 0, answer
        there, here = (load_file(path / "best.safetensors") for path in (run, tmp_path / f"from-{start.name}"))
        np.testing.assert_array_equal(here["conv1.weight"], there["conv1.weight"])
        assert here["dense1.bias"].shape == (3,)
    assert set(executed(log)) == {str(file)}
    other = tmp_path / "other.py"
    other.write_text(NETWORK.replace("Conv2D(4, 3)", "Conv2D(5, 3)"))
    other_net = f"{other}:my_net"
    assert_refused(minicnn(*command, tmp_path / "new", "--init", run, "--model", other_net), "cannot start from my_net")


def test_exported_weights_are_opened_with_the_file_that_is_named(
    minicnn: Command, own: tuple[Path, Path], shapes: Path, tmp_path: Path, log: Path
) -> None:
    file, run = own
    exported = tmp_path / "mine.safetensors"
    assert minicnn("export", run, "--format", "safetensors", "--out", exported, "--model", file).code == 0
    log.unlink()
    for verb in (("evaluate", exported, shapes), ("predict", exported, next(shapes.rglob("*.jpg")))):
        assert_refused(minicnn(*verb), "which is code", "add --model and the path of your my_net.py")
    assert executed(log) == []
    answers = [
        json.loads(minicnn("evaluate", weights, shapes, "--model", file, "--json").out) for weights in (run, exported)
    ]
    assert answers[0]["loss"] == answers[1]["loss"]
    assert [answer["checkpoint"] for answer in answers] == ["best", None]


def test_summary_and_gradient_check(minicnn: Command, own: tuple[Path, Path], log: Path) -> None:
    file, _ = own
    shown = minicnn("summary", file, "--image-size", 16, "--classes", 3)
    assert shown.code == 0 and "dense1" in shown.out
    assert_refused(minicnn("summary", f"{file}:net"), "has no function 'net'")


@pytest.mark.parametrize(
    ("layers", "part"),
    [
        ("Flatten(), Dense(3)", "my_net ends with 3 numbers"),
        ("Flatten(), Conv2D(4, 3), Flatten(), Dense(classes)", "reads no picture of up to 256×256 pixels: conv1"),
    ],
)
def test_gradient_checks_of_a_network_that_fits_no_picture_end(
    minicnn: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layers: str, part: str
) -> None:
    monkeypatch.setattr(checks, "layer_cases", list)  # the network alone
    file = tmp_path / "my_net.py"
    file.write_text(f"from minicnn import *\ndef my_net(classes):\n    return [{layers}]")
    answer = minicnn("gradcheck", "--model", file)
    assert answer.code == 2 and part in answer.err and answer.err.count("\n") == 1


def test_the_network_in_the_readme(minicnn: Command, tmp_path: Path) -> None:
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    file = tmp_path / "my_net.py"
    file.write_text(re.findall(r"```python\n(# my_net.py\n.*?)```", readme, re.DOTALL)[0], encoding="utf-8")
    answer = minicnn("summary", file, "--image-size", 16)
    assert answer.code == 0 and "conv1" in answer.out and "dense1" in answer.out


def test_a_broken_file_leaves_no_run(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_net.py"
    file.write_text("def my_net(classes):\n    return [Dense(classes)]")
    for verb in (("train", shapes, *TRAIN, "--model", file, "--out", tmp_path / "run"), ("summary", file)):
        assert_refused(minicnn(*verb), f"{file}, line 2: NameError: name 'Dense' is not defined")
    assert not (tmp_path / "run").exists()


def test_a_run_s_folder_is_named_after_the_function(
    minicnn: Command, own: tuple[Path, Path], shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert minicnn("train", shapes, *TRAIN, "--model", own[0]).code == 0
    assert (tmp_path / "runs" / "shapes-my_net-1" / "my_net.py").exists()
