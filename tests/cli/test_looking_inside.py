"""`minicnn trace`, `step` and `ladder`: what they print for people, for programs, and for whoever made a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minicnn import models, trace
from minicnn.runs.looked_at import look_at, open_network
from tests.cli.command import Command
from tests.cli.test_mistakes import assert_one_line

UNTRAINED = ("cnn2", "--image-size", 12)
OWN_LAYERS = """from minicnn import Conv2D, Dense, Flatten, Layer

class Half(Layer):
    def forward(self, x, training=False):
        return x / 2


class Late(Half):
    def forward(self, x, training=False):
        raise ValueError("not\\ntoday")

class Broken(Half):
    def forward(self, x, training=False):
        return x * float("nan")

    def backward(self, dy, input_gradient=True):
        return dy * float("nan")

def mine(classes):
    return [Conv2D(2, 3), Late(), Flatten(), Dense(classes)]

def half(classes):
    return [Conv2D(2, 3), Half(), Flatten(), Dense(classes)]

def broken(classes):
    return [Conv2D(2, 3), Broken(), Flatten(), Dense(classes)]
"""


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_table_of_a_trace_has_every_array_and_every_gradient_beside_its_differences(
    minicnn: Command, narrow: None
) -> None:
    answer = minicnn("trace", *UNTRAINED)
    assert answer.code == 0 and answer.err == ""
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    seen = look_at(open_network("cnn2", image_size=12))
    t = trace(seen.network.net, seen.x, np.array([seen.label]), training=False)
    named = [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]
    assert named == [traced.name.rpartition(".")[2] for traced in t]
    beside = [line for line in lines if "differences of the loss" in line]
    gradients = [name for name in named if name.startswith("d") and name != "d"]
    assert len(beside) == len(gradients) > 15
    for line in beside:
        backward, differences = (
            float(text.split()[-1]) for text in line.replace("differences of the loss", "").split(",")[-2:]
        )
        assert differences == pytest.approx(backward, rel=1e-3), line
    assert any("minicnn/ops/convolution.py:" in line for line in lines)


def test_a_trace_as_json(minicnn: Command) -> None:
    printed = json.loads(minicnn("trace", *UNTRAINED, "--json").out)
    assert printed["network"] == "cnn2" and printed["picture"] is None
    arrays = {array["name"]: array for array in printed["arrays"]}
    assert arrays["conv1.y"]["shape"] == [1, 10, 10, 32] and arrays["conv1.y"]["derivative"] is None
    assert arrays["loss"]["min"] == pytest.approx(printed["loss"])
    found = arrays["conv1.dweight"]["derivative"]
    assert found["known"] and found["differences"] == pytest.approx(found["backward"], rel=1e-4)
    without = json.loads(minicnn("trace", *UNTRAINED, "--json", "--no-differences").out)
    assert all(array["derivative"] is None for array in without["arrays"])


def test_json_knows_no_number_that_is_none(minicnn: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_LAYERS)
    given = ("trace", f"{tmp_path / 'mine.py'}:broken", "--image-size", 6, "--json")

    def refused(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    arrays = json.loads(minicnn(*given).out, parse_constant=refused)
    by_name = {array["name"]: array for array in arrays["arrays"]}
    assert arrays["loss"] is None and by_name["dense1.y"]["min"] is None and by_name["conv1.y"]["min"] is not None
    assert by_name["conv1.dweight"]["derivative"]["backward"] is None
    (number,) = json.loads(minicnn(*given, "--at", "dense1.y:0,0").out, parse_constant=refused)["numbers"]
    assert number["value"] is None and number["sum"] is None and len(number["terms"]) > 1


def test_one_number_is_spelled_out_and_a_gradient_stands_beside_its_differences(minicnn: Command) -> None:
    answer = minicnn("trace", *UNTRAINED, "--at", "conv1.y:0,5,7,3", "--at", "conv1.dweight:0,2,1,3")
    assert answer.code == 0
    first, second = answer.out.split("\n\n")[1:]
    assert first.startswith("conv1.y[0, 5, 7, 3] = ") and "28 terms, sum" in first and "bias[3] = 0" in first
    assert "x[0, 5, 7, 0] · weight[0, 0, 0, 3] = " in first and "differences" not in first
    assert second.startswith("conv1.dweight[0, 2, 1, 3] = ")
    last = second.splitlines()[-1]
    assert last.startswith("  at [0, 2, 1, 3]: backward ") and ", differences of the loss " in last

    given = (*UNTRAINED, "--at", "conv1.y:0,5,7,3", "--at", "loss", "--at", "conv1.dweight:0,2,1,3", "--json")
    y, loss, dweight = json.loads(minicnn("trace", *given).out)["numbers"]
    assert y["sum"] == pytest.approx(sum(term["value"] for term in y["terms"])) and len(y["terms"]) == 28
    assert y["value"] == pytest.approx(y["sum"], rel=1e-4) and y["derivative"] is None
    assert loss["name"] == "loss" and loss["index"] == []
    assert dweight["derivative"]["differences"] == pytest.approx(dweight["value"], rel=1e-3)


def test_a_run_looks_at_a_picture_of_one_s_own(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    picture = next((shapes / "val" / "star").iterdir())
    saved = tmp_path / "trace.npz"
    answer = minicnn("trace", run, picture, "--label", "star", "--no-differences", "--save", saved)
    assert answer.code == 0 and "(star), as was told" in answer.out.replace("\n", " ")
    predicted = json.loads(minicnn("predict", run, picture, "--top", 10, "--json").out)["predictions"][0]["top"]
    by_name = {entry["name"]: entry["probability"] for entry in predicted}
    with np.load(saved) as arrays:
        assert sorted(by_name.values()) == pytest.approx(sorted(arrays["probabilities"][0].tolist()), rel=1e-4)
        assert arrays["loss"] == pytest.approx(-np.log(by_name["star"]), rel=1e-4)
    drawn = minicnn("trace", run, "--at", "loss")
    assert "(arrow), as was drawn" in drawn.out.replace("\n", " "), "a run that knows shapes knows what is drawn for it"


def test_a_large_network_says_that_its_differences_are_left_out(
    minicnn: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minicnn.cli.trace.LONGEST", 0)
    answer = minicnn("trace", *UNTRAINED)
    assert (
        answer.out.splitlines()[-1].startswith("derivatives by differences would take some")
        and "backward" not in answer.out
    )
    assert "differences of the loss" in minicnn("trace", *UNTRAINED, "--at", "conv1.dbias:3").out


def test_training_is_another_pass(minicnn: Command, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from minicnn import *\n\n\ndef net(classes):\n"
        "    return [Conv2D(2, 3), BatchNorm2D(), ReLU(), Flatten(), Dropout(0.5), Dense(classes)]\n"
    )
    given = ("trace", tmp_path / "net.py", "--image-size", 6, "--classes", 3, "--no-differences")
    used, training = minicnn(*given).out, minicnn(*given, "--training").out
    assert "  keep " not in used and "  keep " in training
    assert "running" in used


def test_what_a_layer_makes_again_and_again_is_shown_once(minicnn: Command, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from minicnn import *\n\n\ndef net(classes):\n    return [Conv2D(6, 3, groups=3), Flatten(), Dense(classes)]\n"
    )
    out = minicnn("trace", tmp_path / "net.py", "--image-size", 6, "--classes", 3).out
    assert out.count("and 2 more like it, to columns3") == out.count("and 2 more like it, to dcolumns3") == 1
    assert "columns2" not in out


@pytest.mark.parametrize("verb", ["trace", "step"])
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["no/such/run"], ["there is no run directory no/such/run"]),
        (["cnn9"], ["there is no run directory cnn9", "efficientnet_lite0", "cnn3"]),
        (["cnn2", "--seed", "-1"], ["--seed must be at least 0; got -1"]),
        (["mine.py", "--image-size", "6"], ["mine.py, line 10: ValueError: not today"]),
        (["mine.py:half", "--image-size", "6"], ["mine.py: Half does not say what its backward pass is"]),
        (["cnn2", "no/such.jpg"], ["no/such.jpg"]),
        (["cnn2", "poem.jpg"], ["poem.jpg cannot be read as an image"]),
        (["cnn2", "--image-size", "0"], ["--image-size must be at least 1"]),
        (["cnn3", "--image-size", "7"], ["conv"]),
        (["cnn2", "--image-size", "12", "--label", "cat"], ["no class is called 'cat'"]),
        (["cnn2", "--image-size", "12", "--label", "10"], ["no class is called '10'", "0 … 9"]),
        ([], ["RUN|MODEL"]),
    ],
)
def test_mistakes_get_a_line(
    minicnn: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, arguments: list[str], parts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("poem.jpg").write_text("no picture")
    Path("mine.py").write_text(OWN_LAYERS)
    assert_one_line(minicnn(verb, *arguments), *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--at", "conv1.y:0,5,x,3"], ["'conv1.y:0,5,x,3' should be", "such as conv1.y:0,5,7,3"]),
        (["--at", "conv9.y:0"], ["this trace has no 'conv9.y'", "layers: conv1"]),
        (["--at", "logit:0"], ["this trace has no 'logit'; there are, logits, labels, ", "layers: conv1"]),
        (["--at", "conv1.y"], ["has no number at (): the first is conv1.y:0,0,0,0"]),
        (["--at", "conv1.z9:0"], ["this trace has no 'conv1.z9'", "of conv1: conv1.x"]),
        (["--at", "conv1.y:0,5"], ["conv1.y of shape (1, 10, 10, 32) has no number at (0, 5)"]),
        (["--at", "conv1.y:0,0,0,32"], ["has no number at"]),
        (["--at", "conv1.weight:0,0,0,0"], ["conv1.weight was given, not computed"]),
        (["--save", "trace.txt"], ["should end in .npz or .safetensors"]),
        (["--save", "no/such/trace.npz"], ["no/such"]),
    ],
)
def test_places_that_are_none_get_a_line(
    minicnn: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], parts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(minicnn("trace", *UNTRAINED, *arguments), *parts)
    assert list(tmp_path.iterdir()) == []


def test_a_run_has_its_own_size(minicnn: Command, run: Path) -> None:
    assert_one_line(minicnn("trace", run, "--image-size", 32), "has its own image size and classes")
    assert_one_line(minicnn("step", run, "--classes", 3), "has its own image size and classes")


def test_the_ladder_of_one_operation_and_as_json(minicnn: Command) -> None:
    answer = minicnn("ladder", "dense")
    assert answer.code == 0
    rungs = [
        line.split()[0] for line in answer.out.splitlines() if line.startswith(("loops", "formula", "kernel", "GPU"))
    ]
    assert rungs == ["loops", "formula", "kernel", "GPU"] and max(map(len, answer.out.splitlines())) <= 80
    (dense,) = json.loads(minicnn("ladder", "dense", "--json").out)["operations"]
    assert dense["operation"] == "dense" and dense["arguments"]["weight"] == [1024, 128]
    loops, formula, *_ = dense["rungs"]
    assert formula["times_as_fast"] is not None and formula["error"] < 1e-5
    assert loops["source"].startswith("minicnn/loops/dense")


def test_all_ladders_in_one_table(minicnn: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicnn.ops.__all__", ["relu", "softmax"])
    lines = minicnn("ladder").out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["operation", "relu", "softmax"] and max(map(len, lines)) <= 80


def test_a_model_is_built_as_models_does() -> None:
    net = open_network("cnn2", image_size=12, classes=4, seed=7).net
    expected = models.build("cnn2", (12, 12, 3), classes=4, seed=7)
    np.testing.assert_array_equal(net.conv1.weight.value, expected.conv1.weight.value)


def test_a_fault_of_minicnn_s_own_is_not_taken_for_the_user_s(
    minicnn: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("in minicnn")

    monkeypatch.setattr("minicnn.runs.looked_at.look_at", broken)
    (tmp_path / "mine.py").write_text(OWN_LAYERS)
    with pytest.raises(ZeroDivisionError):
        minicnn("trace", f"{tmp_path / 'mine.py'}:half", "--image-size", 6)
