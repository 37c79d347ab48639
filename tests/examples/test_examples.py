"""Every example runs in a process of its own, and what it claims is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from minicnn.data import make_shapes
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"


def run(name: str, folder: Path, *arguments: str) -> str:
    """Run an example in `folder` and return what it printed."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}  # where minicnn is not installed
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_each_example_is_short_and_numbered() -> None:
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert [int(script.name[:2]) for script in scripts] == list(range(1, len(scripts) + 1))
    for script in scripts:
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 100, script.name


def test_edge_filter(tmp_path: Path) -> None:
    run("01_edge_filter.py", tmp_path)
    with Image.open(tmp_path / "runs" / "edges.png") as image:
        picture, edges = np.split(np.asarray(image.convert("L"), dtype="float32"), 2, axis=1)
    down, right = (ndimage.prewitt(picture, axis, mode="nearest") for axis in (0, 1))  # document 002's filter, §4.3
    np.testing.assert_allclose(edges, np.hypot(down, right).clip(0, 255), atol=3)  # the picture was in colour
    assert edges[:100, :360].max() < 60  # the sky is even, to the border
    assert (edges[185:196, 160:260].max(axis=0) > 100).all()  # the lower edge of the roof, without a gap


def test_three_ways_to_convolve(tmp_path: Path) -> None:
    assert run("02_one_convolution_three_ways.py", tmp_path).endswith("all equal\n")


def test_every_gradient(tmp_path: Path) -> None:
    output = run("03_check_every_gradient.py", tmp_path)
    assert "FAILED" not in output
    assert output.count("passed") > 20


def test_wrong_formulas(tmp_path: Path) -> None:
    output = run("04_wrong_formulas_are_caught.py", tmp_path)
    assert re.findall(r"(printed|right) +(CAUGHT|passes)", output) == 4 * [("printed", "CAUGHT"), ("right", "passes")]


def test_spirals(tmp_path: Path) -> None:
    output = run("05_spirals.py", tmp_path)
    assert float(re.findall(r"([\d.]+)% of new points right", output)[-1]) > 95
    with Image.open(tmp_path / "runs" / "spirals.png") as image:
        assert len(image.getcolors(400 * 400)) > 2


def test_transforms(tmp_path: Path) -> None:
    run("08_transforms.py", tmp_path)
    with Image.open(tmp_path / "runs" / "transforms.png") as image:
        image.verify()


def test_zeros(tmp_path: Path) -> None:
    output = run("09_zeros_never_break_symmetry.py", tmp_path)
    assert re.findall(r"(zeros|glorot_uniform) .* (\d) of 8 units are distinct", output) == 2 * [
        ("zeros", "1"),
        ("glorot_uniform", "8"),
    ]


@pytest.mark.parametrize("name", ["06_cifar10.py", "07_imagenet_subset.py"])
def test_training_on_a_folder(name: str, tmp_path: Path) -> None:
    make_shapes(tmp_path / "data", images_per_class=10)
    output = run(name, tmp_path, str(tmp_path / "data"), "--epochs", "1")
    assert re.search(r"epoch 1: loss [\d.]+ nats", output)
    assert "% right" in output or "images right" in output


def test_a_layer_of_your_own(tmp_path: Path) -> None:
    output = run("10_a_layer_of_your_own.py", tmp_path)
    assert re.search(r"gradient check of .*: passed", output)
    assert "squeezeexcite1.gate.dense1.weight" in output
    assert float(re.findall(r"(\d+)% right", output)[0]) > 90
    assert (tmp_path / "runs" / "squeeze.safetensors").exists()


def test_transfer_learning(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "set", images_per_class=10, size=40)
    settings = Settings(data=str(data), model="cnn2", image_size=16, epochs=1, workers=0)
    Run.start(settings, str(tmp_path / "teacher")).train()
    arguments = ("--start", "teacher", "--per-class", "2", "4", "--epochs", "2")
    output = run("11_transfer_learning.py", tmp_path, str(data), *arguments)
    found = re.findall(r"(\d+) pictures a class, (.*): ([\d.]+) %", output)
    assert [(count, way) for count, way, _ in found] == [
        (count, way) for count in ("2", "4") for way in ("from scratch", "last layer", "fine-tuned")
    ]
    with Image.open(tmp_path / "runs" / "transfer.png") as image:
        image.verify()
