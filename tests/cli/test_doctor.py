"""`minicnn doctor`: what it prints, and what it makes of a faulty network and of a mistake in the command."""

from __future__ import annotations

import json
from pathlib import Path

from minicnn.inspection.doctor import CHECKS, name_of
from tests.cli.command import Command

SMALL = ("--image-size", 12, "--batch-size", 16)
FAULTY = """
from minicnn import Conv2D, Dense, Flatten, ReLU
from minicnn.layers import Layer

class Stuck(Layer):
    def forward(self, x, training=False):
        return x
    def backward(self, dy, input_gradient=True):
        return dy * 0

def my_net(classes):
    return [Conv2D(4, 3), ReLU(), Stuck(), Flatten(), Dense(classes)]
"""


def test_a_table_of_eighty_columns(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    answer = minicnn("doctor", "cnn2", shapes, *SMALL, "--most", 20)
    assert answer.code == 0 and not answer.err
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    for check in CHECKS:
        assert any(line.startswith(name_of(check)) for line in lines), check
    assert "10 validation pictures" in answer.out and "1 broken" in answer.out  # far too few to tell anything
    assert not list(tmp_path.iterdir())


def test_a_network_of_the_users_own_as_json(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_net.py"
    file.write_text(FAULTY)
    answer = minicnn("doctor", file, shapes, *SMALL, "--json")
    assert answer.code == 0  # what is found is no error
    checks = json.loads(answer.out)["checks"]
    assert list(checks) == [name_of(check) for check in CHECKS]
    assert checks["gradient flow"]["verdict"] == "broken" and "conv1.weight" in checks["gradient flow"]["figure"]
    assert checks["label balance"]["verdict"] == "fine" and checks["label balance"]["numbers"]["least"] == 4
    assert list(tmp_path.iterdir()) == [file]


def test_a_recipes_settings_count_unless_others_are_given(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('image_size = 2\nbatch_size = 16\nlr = 0.02\noptimizer = "sgd"\n')  # too small for the network
    answer = minicnn("doctor", "cnn2", shapes, "--recipe", recipe, "--image-size", 12, "--json")
    assert json.loads(answer.out)["checks"]["learning rate"]["numbers"]["rate"] == 0.02


def test_mistakes_get_one_line(minicnn: Command, shapes: Path, tmp_path: Path) -> None:
    for arguments, says in (
        (("cnn9", shapes), "unknown model"),
        (("cnn2", tmp_path / "none"), "none"),
        (("cnn2", shapes, "--most", 0), "--most"),
        (("cnn2", shapes, "--lr", -1), "lr"),
        (("simple_cnn", shapes, "--image-size", 12), "does not fit"),
        (("cnn2", shapes, "--recipe", tmp_path / "none.toml"), "recipe"),
    ):
        answer = minicnn("doctor", *arguments)
        assert answer.code == 2 and says in answer.err and answer.err.count("\n") == 1, arguments
        assert not answer.out
