"""A network from the user's own file: found, executed once, and told in one line with its place where it is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from minicnn import models
from minicnn.errors import UsageError

Write = Callable[[str], str]

GOOD = """
from minicnn import Conv2D, Dense, Flatten, MaxPool2D, ReLU

def block(filters):
    return [Conv2D(filters, 3), ReLU(), MaxPool2D(2)]

def my_net(classes):
    return [*block(4), *block(8), Flatten(), Dense(classes)]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes my_net.py and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "my_net.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_the_function_of_the_file_s_own_name_makes_the_network(write: Write) -> None:
    path = write(GOOD)
    net = models.build(path, (20, 20, 3), classes=7, seed=1)
    assert [layer.name for layer in net.layers][-2:] == ["flatten1", "dense1"] and net.output_shape == (7,)
    assert models.outline(f"{path}:my_net").output_shape == (10,)
    model = models.find(path)
    assert model.name == "my_net" and model.file is not None and model.file.content == Path(path).read_bytes()


def test_what_was_found_is_not_executed_again(write: Write) -> None:
    path = write(f"{GOOD}\nwith open(__file__ + '.log', 'a') as log: log.write('once ')")
    model = models.find(path)
    models.outline(model, (20, 20, 3))
    models.build(model, (20, 20, 3), classes=3)
    assert Path(f"{path}.log").read_text() == "once "
    assert not list(Path(path).parent.rglob("__pycache__"))


def test_one_function_of_any_name_is_enough_and_imported_ones_do_not_count(write: Write) -> None:
    path = write("from textwrap import dedent\nfrom minicnn import *\ndef tiny(n): return [Flatten(), Dense(n)]")
    assert models.find(path).name == "tiny"


def test_classes_of_the_file_s_own_are_layers_and_find_their_names(write: Write) -> None:
    """Data classes look for their module where modules are kept."""
    path = write("""
from __future__ import annotations
from dataclasses import dataclass, field
from typing import ClassVar
from minicnn import Dense, Flatten, ReLU

class Shifted(ReLU):
    def describe(self):
        return "shifted"

@dataclass
class Sizes:
    units: int = 5
    seen: ClassVar[int] = 0

def my_net(classes):
    return [Flatten(), Dense(Sizes().units), Shifted(), Dense(classes)]
""")
    assert models.outline(path, (4, 4, 3), 2).layers[2].describe() == "shifted"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def my_net(classes):\n    return [", r"my_net.py, line 2: SyntaxError: '\[' was never closed"),
        ("x = 1\n\x00", r"my_net.py"),
        ("import math\n\nmath.sqrt(-1)", r"my_net.py, line 3: ValueError: (math domain error|expected a nonneg)"),
        ("import sys\nsys.exit(3)", r"my_net.py, line 2: SystemExit: 3"),
        ("import beside_it", r"my_net.py, line 1: ModuleNotFoundError: No module named 'beside_it'"),
        ("answer = 42", r"my_net.py has no function: write one that takes the number of classes"),
        ("from textwrap import dedent", r"my_net.py has no function"),
        (
            "def one(n): pass\ndef two(n): pass",
            r"several functions \(one, two\): say which makes the network, as .*my_net.py:one$",
        ),
        (
            "\ndef my_net(classes):\n    pass",
            r"my_net.py, line 2: my_net\(10\) should return a list of layers; got None",
        ),
        ("def my_net(classes):\n    return []", r"line 1: my_net\(10\) should return a list of layers; got \[\]"),
        ("def my_net(classes):\n    return [int]", r"line 1: my_net\(10\) should return a list .*<class 'int'>"),
        ("def my_net():\n    return []", r"my_net.py, line 1: TypeError: my_net\(\) takes 0 positional arguments"),
        ("def my_net(n):\n\n    return [Dense(n)]", r"my_net.py, line 3: NameError: name 'Dense' is not defined"),
        (
            "from minicnn import Conv2D\ndef my_net(n):\n    return [Conv2D(0, 3)]",
            r"my_net.py, line 3: .*0",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_place(write: Write, text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(UsageError, match=message) as error:
        models.outline(path, (20, 20, 3))
    assert str(error.value).startswith(path) and "\n" not in str(error.value)


def test_a_network_that_does_not_end_with_a_number_for_each_class_is_refused(write: Write) -> None:
    path = write("from minicnn import *\ndef my_net(n): return [Flatten(), Dense(7)]")
    for make in (models.outline, models.build):
        assert make(path, (4, 4, 3), 7).output_shape == (7,)
        with pytest.raises(UsageError, match=r"my_net ends with 7 numbers .* one number for each of 10 classes"):
            make(path, (4, 4, 3), 10)


def test_a_name_that_is_no_function_or_no_file(write: Write, tmp_path: Path) -> None:
    path = write(GOOD)
    with pytest.raises(UsageError, match=r"has no function 'net'; it has block, my_net"):
        models.find(f"{path}:net")
    with pytest.raises(UsageError, match=r"there is no file .*nowhere.py"):
        models.find(str(tmp_path / "nowhere.py"))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UsageError, match=r"folder.py cannot be read: Is a directory"):
        models.find(str(tmp_path / "folder.py"))


def test_names_that_minicnn_knows_never_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cnn3").write_text("raise ZeroDivisionError")
    assert models.find("cnn3").file is None and not models.is_file("cnn3")
    with pytest.raises(UsageError, match=r"unknown model 'a.py'"):
        models.known("a.py")
