"""Whatever the learner's file does, there is one clear answer: it runs in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicnn.data.shapes import shapes_as_arrays
from minicnn.errors import UsageError
from minicnn.inspection.exercises import EXERCISES, check_file, exercise_file, process, train_file
from minicnn.inspection.exercises.training import EPOCHS, in_place_of, train_with
from minicnn.layers import Dense, Sequential
from tests.inspection.exercises.learner import judged, write

DENSE = EXERCISES["dense"]


def test_a_right_answer_passes_and_what_it_prints_is_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    verdict = check_file(DENSE, write(tmp_path, "dense", "print('here', x.shape)\nreturn x @ weight + bias"))
    assert verdict.passed
    assert "here (4, 5)" in capfd.readouterr().out


def test_an_endless_loop_is_ended_and_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "dense", "i = 0\nwhile i < len(x):\n    y = x[i] @ weight + bias\nreturn y")
    verdict = check_file(DENSE, path, seconds=0.5)
    assert not verdict.passed
    assert "a loop that never ends" in verdict.hint.en
    line, text = verdict.evidence[0].en.removeprefix("It was at line ").split(": ", 1)
    assert path.read_text(encoding="utf-8").splitlines()[int(line) - 1].strip() == text
    assert text.startswith(("while", "y ="))


def test_a_file_that_ends_python_is_told(tmp_path: Path) -> None:
    verdict = check_file(DENSE, write(tmp_path, "dense", "import os\nos._exit(3)"))
    assert not verdict.passed
    assert "exit code 3" in verdict.hint.en


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="minicnn exercise start dense"):
        check_file(DENSE, tmp_path / "dense.py")


@pytest.mark.parametrize(
    ("body", "hint", "evidence"),
    [
        ("y = x @ weigth + bias\nreturn y", "NameError", "y = x @ weigth + bias"),
        ("raise SystemExit", "ends the whole program", "dense("),
        ("return (x @ weight + bias", "cannot be executed: SyntaxError", "return (x @ weight + bias"),
        ("return x @ (weight + bias[:2])", "stops with an error: ValueError", "y (4, 3)"),
        ("return 'y'", "is a str", "dense("),
        ("y = x @ weight\ny += bias\nbias += 1\nreturn y", "bias was changed", "dense("),
    ],
)
def test_what_fails_is_told_with_its_place(tmp_path: Path, body: str, hint: str, evidence: str) -> None:
    verdict = judged(write(tmp_path, "dense", body), "dense")
    assert not verdict.passed
    assert hint in verdict.hint.en
    assert any(evidence in text.en for text in verdict.evidence), verdict.said("en")


def test_what_fails_in_the_gradient_check_alone_is_told(tmp_path: Path) -> None:
    body = "assert dy.shape != (4, 5)\nreturn dy * (y > 0)"
    verdict = judged(write(tmp_path, "relu_backward", body), "relu_backward")
    assert not verdict.passed
    assert "with other arrays it stops with an error: AssertionError" in verdict.hint.en
    assert verdict.evidence[0].en.endswith("assert dy.shape != (4, 5)")


def test_calling_minicnns_own_is_no_answer(tmp_path: Path) -> None:
    path = write(tmp_path, "relu", "from minicnn import ops\nreturn ops.relu(x)")
    assert "minicnn's own relu" in judged(path, "relu").hint.en


def test_a_function_that_is_missing_or_has_other_arguments_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "dense", "return x @ weight + bias")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("def dense(", "def dence("), encoding="utf-8")
    assert "There is no function dense" in judged(path, "dense").hint.en
    path.write_text(text.replace("def dense(x: Array, weight: Array", "def dense(x, w"), encoding="utf-8")
    assert "def dense(x, weight, bias)" in judged(path, "dense").hint.en


def test_the_learners_function_trains_a_network(tmp_path: Path) -> None:
    path = tmp_path / "conv2d_backward.py"
    path.write_text(exercise_file(EXERCISES["conv2d_backward"], answered=True), encoding="utf-8")
    pictures, labels = shapes_as_arrays(10, 16)
    verdict = train_file(EXERCISES["conv2d_backward"], path, pictures, labels, validation=25, seconds=60)
    assert verdict.passed
    assert f"{3 * EPOCHS} steps" in verdict.hint.en
    assert "conv2d_backward" in verdict.hint.en


@pytest.mark.parametrize("name", EXERCISES)
def test_training_calls_the_learners_function(name: str) -> None:
    calls = 0

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        return EXERCISES[name].operation.reference(*args, **kwargs)

    pictures, labels = np.random.default_rng(0).random((30, 8, 8, 3), dtype="float32"), np.arange(30) % 3
    training = train_with(EXERCISES[name], counted, pictures, labels, validation=5, seconds=60)
    assert calls >= training.steps == EPOCHS


def test_what_fails_in_training_alone_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "relu", "return np.maximum(x, 0) if x.shape[1] != 8 else x[None, 1:2, 3]")
    pictures, labels = np.zeros((30, 8, 8, 3), dtype="float32"), np.arange(30) % 3
    assert judged(path, "relu").passed
    verdict = train_file(EXERCISES["relu"], path, pictures, labels, validation=5)
    assert not verdict.passed
    assert "with other arrays it stops with an error" in verdict.hint.en


def test_what_is_too_slow_to_train_with_is_right_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ONE_STEP", 0.0)
    path = write(tmp_path, "relu", "import time\ntime.sleep(9 * (x.shape[1] == 8))\nreturn np.maximum(x, 0)")
    pictures, labels = np.zeros((30, 8, 8, 3), dtype="float32"), np.arange(30) % 3
    verdict = train_file(EXERCISES["relu"], path, pictures, labels, validation=5, seconds=0.5)
    assert verdict.passed
    assert "not even a step" in verdict.hint.en


def test_training_learns_and_ends_when_the_time_is_up() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=150)
    pictures = rng.random((150, 8, 8, 3), dtype="float32") / 2 + labels.reshape(-1, 1, 1, 1).astype("float32") / 2
    formula = DENSE.operation.formula
    training = train_with(DENSE, formula, pictures, labels, validation=50, seconds=60)
    assert training.accuracy > 0.9
    assert training.steps == training.planned
    ended = train_with(DENSE, formula, pictures, labels, validation=50, seconds=0)
    assert ended.steps < ended.planned
    assert "Time was up" in ended.said(DENSE)[1].en


def test_minicnn_has_its_own_function_again_afterwards() -> None:
    net = Sequential([Dense(2)], input_shape=(3,), seed=0)
    x = np.ones((1, 3), dtype="float32")
    before = net.forward(x)
    with in_place_of(DENSE, lambda x, weight, bias: np.full((1, 2), 7.0)):
        assert (net.forward(x) == 7).all()
    assert (net.forward(x) == before).all()
