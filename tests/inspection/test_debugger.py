"""Stepping through layers and formulas, at a terminal, as the README shows it."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from itertools import takewhile
from pathlib import Path

import pytest

from tests.inspection.terminal import Terminal

REPOSITORY = Path(__file__).parents[2]
SCRIPT = """
import numpy as np
from minicnn import *
net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(5)], input_shape=(8, 8, 3))
y = net.forward(np.ones((2, 8, 8, 3), "float32"), training=True)
dx = net.backward(np.ones((2, 5), "float32"))
print("the end")
"""


def debug(script: Path, folder: Path = REPOSITORY, **environment: str) -> Terminal:
    command = [sys.executable, "-m", "minicnn.inspection.debugger", str(script)]
    return Terminal(command, "(Pdb) ", folder, settings(**environment))


def settings(**environment: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name != "MINICNN_KERNELS"}
    return {
        **clean,
        "PYTHONPATH": str(REPOSITORY),
        "HOME": "/nonexistent",
        **environment,
    }  # no .pdbrc of somebody's own


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "pass.py"
    path.write_text(SCRIPT.lstrip())
    return path


def place(answer: str) -> tuple[str, int, str]:
    """Return the file, the line and the function that pdb says it is at."""
    found = re.findall(r"^> (.+)\((\d+)\)(\S+)\(\)", answer, re.MULTILINE)
    assert found, answer
    file, line, function = found[-1]
    return file, int(line), function


def body_begins(file: str, function: str) -> int:
    """Return the line of a function's first statement behind its docstring."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    (definition,) = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function]
    return definition.body[1 if ast.get_docstring(definition) else 0].lineno


def readme_session() -> tuple[list[str], list[str]]:
    """Return the command of the README's section on stepping, and what is typed into the debugger then."""
    section = re.search(r"^## Step through a layer\n(.*?)^## ", (REPOSITORY / "README.md").read_text(), re.M | re.S)
    assert section
    (shell,) = re.findall(r"```sh\n(.*?)```", section[1], re.S)
    return shlex.split(shell), re.findall(r"^\(Pdb\) (.*)$", section[1], re.M)


def test_the_readme_s_session_works_as_printed():
    command, lines = readme_session()
    assert command[0] == "python" and "break conv2d" in lines and "step" in lines
    with Terminal([sys.executable, *command[1:]], "(Pdb) ", REPOSITORY, settings()) as terminal:
        terminal.answer()
        answers = {}
        for line in lines:
            answers[line] = terminal.ask(line)
            assert "***" not in answers[line], answers[line]
        file, at, function = place(answers["continue"])
        assert file == str(REPOSITORY / "minicnn/ops/convolution.py") and function == "conv2d"
        assert at == body_begins(file, function), "the formula's first line, one stop after the breakpoint was set"


def test_step_goes_from_a_layer_s_line_into_the_formula_and_on_to_the_next_layer(script):
    with debug(script) as terminal:
        terminal.answer()
        terminal.ask(f"tbreak {script}:4")
        terminal.ask("continue")
        stops = (place(terminal.ask("step")) for _ in range(120))
        places = list(takewhile(lambda stop: Path(stop[0]) != script, stops))  # until the pass returns to the script
        rooms = [str(Path(file).relative_to(REPOSITORY / "minicnn")) for file, _, _ in places]
        seen = list(dict.fromkeys(zip(rooms, (function for _, _, function in places), strict=True)))
        formula = seen.index(("ops/convolution.py", "conv2d"))
        assert seen[: formula + 1] == [("layers/conv2d.py", "forward"), ("ops/convolution.py", "conv2d")]
        first = rooms.index("ops/convolution.py")
        assert places[first][1] == body_begins(places[first][0], "conv2d")
        assert first <= 3, "the formula within three stops of the network's forward pass, layer and all"
        assert {room.partition("/")[0] for room in rooms} == {"layers", "ops"}
        plumbing = {f"layers/{name}.py" for name in ("base", "passes", "plan", "sequential")} | {"ops/windows.py"}
        assert not plumbing & set(rooms)
        assert not any(function.startswith("_check") for _, function in seen)


def test_step_goes_through_the_backward_pass_too(script):
    with debug(script) as terminal:
        terminal.answer()
        terminal.ask("break conv2d_backward")
        file, at, function = place(terminal.ask("continue"))
        assert function == "conv2d_backward" and at == body_begins(file, function)
        assert terminal.ask("p dy.shape, x.shape").strip() == "((2, 6, 6, 4), (2, 8, 8, 3))"
        assert place(terminal.ask("up"))[2] and "dispatch.py" in terminal.ask("where"), (
            "plumbing is there to be looked at"
        )


def test_breakpoints_are_those_of_pdb_with_operations_known_by_name(script):
    with debug(script) as terminal:
        terminal.answer()
        assert "Breakpoint 1 at" in terminal.ask("break ops.relu, x.ndim == 4")
        assert "dispatch.py" in terminal.ask(f"break {REPOSITORY}/minicnn/dispatch.py:{line_of('_common_device')}")
        assert "***" in terminal.ask("break no_such_function")
        assert place(terminal.ask("continue"))[0].endswith("dispatch.py"), "a breakpoint stops in plumbing too"
        terminal.ask("clear 2")
        assert place(terminal.ask("continue"))[2] == "relu"
        assert "the end" in terminal.ask("continue")


def line_of(function: str) -> int:
    return body_begins(str(REPOSITORY / "minicnn/dispatch.py"), function)


def test_it_runs_the_formulas_unless_told_otherwise(script):
    mode = "p __import__('minicnn.dispatch').dispatch.kernel_mode()"
    for environment, expected in (({}, "reference"), ({"MINICNN_KERNELS": "fast"}, "fast")):
        with debug(script, **environment) as terminal:
            terminal.answer()
            assert terminal.ask(mode).strip() == repr(expected)


def test_an_error_of_the_script_is_looked_at_where_it_happened(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text("def f(a):\n    return 1 / a\n\nf(0)\n")
    with debug(path) as terminal:
        terminal.answer()
        assert "ZeroDivisionError" in terminal.ask("continue")
        assert terminal.ask("p a").strip() == "0"


def test_arguments_reach_the_script_and_a_missing_script_is_said(tmp_path, capfd):
    path = tmp_path / "arguments.py"
    path.write_text("import sys\nprint(sys.argv[1:], __name__, sys.path[0])\nraise SystemExit(3)\n")
    command = [sys.executable, "-m", "minicnn.inspection.debugger", str(path), "-x", "1"]
    with Terminal(command, "(Pdb) ", tmp_path, settings()) as terminal:
        terminal.answer()
        ended = terminal.ask("continue")
        assert f"['-x', '1'] __main__ {tmp_path}" in ended and "exit code 3" in ended
    with debug(tmp_path / "nothing.py") as terminal:
        assert "there is no script" in terminal.answer()
