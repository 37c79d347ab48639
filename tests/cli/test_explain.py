"""`minicnn explain`: what page comes out, and what goes wrong in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn.runs.trained import TrainedNetwork
from tests.cli.command import Command


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(1).integers(256, size=(20, 30, 3), dtype=np.uint8)).save(path)
    return path


def told(page: Path) -> dict[str, Any]:
    """Return what the page is told of its network."""
    text = re.search(r'<script type="application/json" id="network-data">(.*?)</script>', page.read_text("utf-8"), re.S)
    assert text
    return json.loads(text[1])


def test_a_page_of_a_run(run: Path, picture: Path, tmp_path: Path, minicnn: Command) -> None:
    out = tmp_path / "page.html"
    answer = minicnn("explain", run, picture, "--out", out)
    assert answer.code == 0 and str(out) in answer.out and answer.err == ""
    trained = TrainedNetwork.open(str(run))
    data = told(out)
    assert data["model"] == "cnn2" and data["live"] and data["image"]["shape"] == [16, 16, 3]
    assert data["classNames"] == list(trained.facts.class_names)
    assert data["label"] == int(trained.predict([str(picture)])[0].argmax())
    assert not re.findall(r'(?:src|href)="(?!data:)|url\(|\bfetch\(', out.read_text("utf-8"))  # it is whole


def test_a_page_of_a_network_that_has_learnt_nothing(picture: Path, tmp_path: Path, minicnn: Command) -> None:
    out = tmp_path / "page.html"
    answer = minicnn("explain", "cnn2", picture, "--out", out, "--image-size", 20, "--classes", 3, "--label", "2")
    assert answer.code == 0
    assert told(out)["classNames"] == ["0", "1", "2"] and told(out)["label"] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("{run}", "nowhere.png", "--out", "{out}"), "nowhere.png"),
        (("{run}", "{text}", "--out", "{out}"), "notes.txt"),
        (("nothing", "{picture}", "--out", "{out}"), "there is no run directory nothing"),
        (("{run}", "{picture}", "--out", "{picture}"), "should be the name of a page, such as picture.html"),
        (("{run}", "{picture}", "--out", "{taken}"), "exists"),
        (("{run}", "{picture}", "--out", "{out}", "--label", "unicorn"), "no class is called 'unicorn'"),
        (("{run}", "{picture}", "--out", "{out}", "--image-size", "32"), "leave --image-size and --classes out"),
        (("cnn2", "{picture}", "--out", "{out}", "--image-size", "0"), "--image-size must be at least 1"),
        (("cnn2", "{picture}", "--out", "{out}", "--image-size", "4"), "conv2"),
    ],
)
def test_mistakes_get_one_line(
    arguments: tuple[str, ...], told: str, run: Path, picture: Path, tmp_path: Path, minicnn: Command
) -> None:
    paths = {"run": run, "picture": picture, "out": tmp_path / "p.html", "text": tmp_path / "notes.txt"}
    paths["taken"] = tmp_path / "taken.html"
    paths["text"].write_text("no image")
    paths["taken"].write_text("here already")
    answer = minicnn("explain", *(argument.format(**paths) for argument in arguments))
    assert answer.code == 2 and told in answer.err and answer.err.count("\n") == 1
    assert not paths["out"].exists() and paths["taken"].read_text() == "here already"
