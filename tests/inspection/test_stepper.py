"""Stepping through a pass at a terminal, as a person does: on, back, to a place, and into an operation's own code."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential, ops
from minicnn.inspection.recording import record_pass
from minicnn.inspection.stepper import Stepper, _index
from tests.inspection.terminal import Terminal
from tests.inspection.test_debugger import REPOSITORY, body_begins, place, settings

PROMPTS = re.compile(r"\(step \d+/\d+\) |\(Pdb\) ")
COMMAND = [sys.executable, "-m", "minicnn", "step", "cnn2", "--image-size", "16"]


def test_a_session_at_a_terminal():
    with Terminal(COMMAND, PROMPTS, REPOSITORY, settings()) as terminal:
        begins = terminal.answer()
        assert begins.startswith("cnn2 looks at a shape that is drawn for it") and "16 operations" in begins
        assert "forward  conv1: conv2d   minicnn/ops/convolution.py:" in begins and "Y = im2col(x)·W + bias" in begins
        assert "returns y 1×14×14×32, float32, 24.5 KiB; y[0, " in begins and "memory: 24.5 KiB returned here" in begins
        assert "forward  relu1: relu" in terminal.ask("next")
        assert "forward  pool1: max_pool2d" in terminal.ask(""), "an empty line goes on"
        assert "forward  relu1: relu" in terminal.ask("back")
        listed = terminal.ask("list").splitlines()
        assert len(listed) == 16 and listed[1].startswith("→   2  forward ") and "conv2d_backward" in listed[15]
        assert "backward  conv2: conv2d_backward" in terminal.ask("jump 13")

        file, line, function = place(terminal.ask("debug"))
        assert file == str(REPOSITORY / "minicnn/ops/convolution.py") and function == "conv2d_backward"
        assert line == body_begins(file, function), "the formula's first line"
        assert terminal.ask("p dy.shape, x.shape, weight.shape, stride").strip() == (
            "((1, 5, 5, 64), (1, 7, 7, 32), (3, 3, 32, 64), (1, 1))"
        )
        assert terminal.ask("p float(abs(dy).sum()) > 0").strip() == "True"
        assert place(terminal.ask("next"))[1] > line
        assert "back from the debugger, at operation 13" in terminal.ask("continue")

        assert "def conv2d_backward(" in terminal.ask("source")
        assert "backward  conv1: conv2d_backward" in terminal.ask("jump conv1")
        assert place(terminal.ask("debug"))[2] == "conv2d_backward"
        assert "back from the debugger, at operation 16" in terminal.ask("quit")
        assert terminal.ask("quit") == ""


def network() -> Sequential:
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Dense(3)]
    return Sequential(layers, (6, 6, 2), seed=1)


class Typing:
    """Types into a stepper that runs in this process, and returns what it says."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper

    def __call__(self, line: str) -> str:
        self.stepper.stdout = said = io.StringIO()
        self.stepper.onecmd(line)
        return said.getvalue()


@pytest.fixture
def typing(rng: np.random.Generator) -> Iterator[Typing]:
    x = rng.standard_normal((2, 6, 6, 2)).astype("float32")
    _, recorder = record_pass(network(), x, np.array([0, 2]), "reference", training=True)
    recorder.end()
    yield Typing(Stepper(recorder.steps, "a small network"))


def test_ctrl_c_ends_a_line_and_not_the_session(typing, monkeypatch):
    typed = iter([KeyboardInterrupt, "next", KeyboardInterrupt, "next", "quit"])

    def read(prompt: str) -> str:
        line = next(typed)
        if line is KeyboardInterrupt:
            raise KeyboardInterrupt
        return line

    monkeypatch.setattr("builtins.input", read)
    typing.stepper.stdout = said = io.StringIO()
    typing.stepper.cmdloop()
    assert typing.stepper.place == 2 and next(typed, None) is None
    assert said.getvalue().count("forward  conv1: conv2d") == 1, "where it stands is not told again"


def test_the_list_keeps_to_the_terminal_s_width(typing, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    typing.stepper.steps[0].layer = "residual1.body.residual1.body.conv1"
    lines = typing("list").splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) > len(typing.stepper.steps)
    assert " ".join(typing("list").split()).count("probabilities 2×3") == 1


def test_the_order_is_forward_then_backward(typing):
    passes = [(step.backward, step.layer) for step in typing.stepper.steps]
    layers = ["conv1", "relu1", "pool1", "dropout1", "dense1", ""]
    assert passes == [*((False, layer) for layer in layers), *((True, layer) for layer in reversed(layers))]


def test_values_are_those_of_the_pass(typing):
    x = typing.stepper.step.given()["x"]
    assert typing("values x[0, 1:3, :, 1]").split() == np.array2string(x[0, 1:3, :, 1], precision=4).split()
    assert typing("values x[-1, 0, 0]").split() == np.array2string(x[-1, 0, 0], precision=4).split()
    assert typing("values bias") == "[0. 0. 0. 0.]\n"
    for line in ("values", "values stride", "values nothing", "values x[", "values __import__"):
        assert typing(line) == "name one of x, weight, bias, y\n", line
    for line in ("values x[9]", "values x[a]", "values x[1:2:3:4]", "values x[0,0,0,0,0]"):
        assert typing(line).startswith(line.removeprefix("values ")) and typing(line).count("\n") == 1, line


def test_what_is_shown_holds_the_largest_number(typing):
    for _ in typing.stepper.steps:
        shown = typing("next")
        for way, name, where in re.findall(r"(gets|returns) (\w+) \S+, float32, [^;]*; \w+\[(.*)\]:", shown):
            array = (typing.stepper.step.given() if way == "gets" else typing.stepper.step.returned())[name]
            part = array[_index(f"[{where}]")]
            assert np.abs(part).max() == np.abs(array).max() and part.size <= 24, (way, name, where)


def test_there_is_no_going_beyond_the_ends(typing):
    assert typing("back") == "there is none: the operations are 1 … 12, this is 1\n"
    assert "backward  conv1: conv2d_backward" in typing("jump 12")
    assert typing("next") == "there is none: the operations are 1 … 12, this is 12\n"
    for line in ("jump 0", "jump 13"):
        assert typing(line).startswith("there is none")
    for line in ("jump", "jump conv9"):
        assert typing(line).startswith("there is no operation")


def test_a_jump_goes_to_the_next_of_that_name(typing):
    assert "forward  pool1" in typing("jump pool1")
    assert "backward  pool1" in typing("j pool1")
    assert "forward  pool1" in typing("j pool1")
    assert "backward  relu1" in typing("j relu_backward")
    assert "forward  loss: softmax_cross_entropy" in typing("j loss")


def test_what_is_no_command_is_told(typing):
    assert typing("fly") == "there is no command 'fly': help lists them\n"
    listed = typing("help").split()
    assert {"next", "back", "jump", "list", "source", "values", "debug", "quit"} <= set(listed) and "EOF" not in listed
    assert typing("help jump").startswith("jump PLACE: go to an operation")


def test_the_pass_is_not_changed_by_the_debugger(typing, monkeypatch):
    """What is done to an operation's arrays under the debugger, nobody sees afterwards."""
    from minicnn.inspection import stepper

    class Vandal:
        def runcall(self, formula, **given):
            given["x"][...] = 0
            assert formula is ops.conv2d.formula

    monkeypatch.setattr(stepper, "Debugger", Vandal)
    assert "back from the debugger" in typing("debug")
    assert np.abs(typing.stepper.step.given()["x"]).max() > 0
