"""`minicnn export`: what other software then computes, what stands beside it, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn import models
from minicnn.data import Transform
from minicnn.layers.weights import read_arrays
from minicnn.runs.trained import TrainedNetwork
from tests.cli.command import Command


def assert_facts(facts: dict[str, Any], trained: TrainedNetwork) -> None:
    assert facts["model"] == "cnn2"
    assert facts["classes"] == list(trained.facts.classes) and facts["class_names"] == list(trained.facts.class_names)
    assert facts["input_shape"] == [16, 16, 3]
    assert facts["normalization"] == {"mean": [0.0] * 3, "std": [1.0] * 3}
    assert Transform.from_config(facts["transform"]) == trained.facts.transform


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_safetensors_can_be_read_back(checkpoint: str, run: Path, tmp_path: Path, minicnn: Command) -> None:
    out = tmp_path / "net.safetensors"
    answer = minicnn("export", run, "--format", "safetensors", "--out", out, "--checkpoint", checkpoint)
    assert answer.code == 0 and str(out) in answer.out and answer.err == ""
    trained = TrainedNetwork.open(str(run), checkpoint)
    net = models.build("cnn2", (16, 16, 3), classes=10, seed=1)
    net.load(out)
    x = np.random.default_rng(0).random((2, 16, 16, 3), dtype="float32")
    np.testing.assert_array_equal(net.forward(x), trained.net.forward(x))
    assert_facts(json.loads(read_arrays(out)[1]["minicnn"]), trained)
    for option in (("--checkpoint", "best"), ("--model", "my_net.py")):
        refused = minicnn("predict", out, "picture.jpg", *option)
        assert refused.code == 2 and f"leave out {option[0]}\n" in refused.err and refused.err.count("\n") == 1
    again = TrainedNetwork.open(str(out))
    np.testing.assert_array_equal(again.net.forward(x), trained.net.forward(x))


def test_onnx_names_a_picture_alike(run: Path, tmp_path: Path, minicnn: Command) -> None:
    """By the pixels and the metadata alone, as someone without minicnn would do it."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'minicnn[export]'")
    pixels = np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    assert minicnn("export", run, "--format", "onnx", "--out", tmp_path / "net.onnx").code == 0
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    facts = {name: text if name == "model" else json.loads(text) for name, text in metadata.items()}
    assert_facts(facts, TrainedNetwork.open(str(run)))
    mean, std = facts["normalization"]["mean"], facts["normalization"]["std"]
    images = ((pixels / 255 - mean) / std).astype("float32")
    logits = session.run(["logits"], {"images": images[None]})[0][0].astype("float64")
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    answer = json.loads(minicnn("predict", run, tmp_path / "picture.png", "--top", 10, "--json").out)
    expected = {entry["class"]: entry["probability"] for entry in answer["predictions"][0]["top"]}
    got = dict(zip(json.loads(metadata["classes"]), probabilities, strict=True))
    assert got == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["no/such/run", "--format", "onnx", "--out", "x"], "there is no run directory"),
        (["RUN", "--format", "pth", "--out", "x"], "unknown format 'pth': choose onnx or safetensors"),
        (["RUN", "--format", "onnx"], "--out"),
        (["RUN", "--out", "x"], "--format"),
        (["RUN", "--format", "onnx", "--out", ""], "no file's name"),
        (["RUN", "--format", "onnx", "--out", "/"], "no file's name"),
        (["RUN", "--format", "safetensors", "--out", "no/such/folder/x"], "cannot write no/such/folder/x"),
        (["RUN", "--format", "safetensors", "--out", "folder"], "folder exists"),
        (["RUN", "--format", "onnx", "--out", "/dev/null"], "/dev/null exists"),
        (["RUN", "--format", "safetensors", "--out", "x", "--checkpoint", "worst"], "unknown checkpoint 'worst'"),
        (["RUN", "--format", "safetensors", "--out", "x", "--model", "my_net.py"], "leave out --model"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    arguments: list[str], part: str, run: Path, tmp_path: Path, minicnn: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    answer = minicnn("export", *(run if argument == "RUN" else argument for argument in arguments))
    assert answer.code == 2 and answer.out == "" and answer.err.count("\n") == 1
    assert part in answer.err
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]
