"""The comparison on a GPU keeps what it has measured, whatever fails later. Needs no GPU: the engines are made up."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import gpu, gpu_worker, machine
from benchmarks.peers import Peer
from minicnn import models
from minicnn.errors import DeviceError

LAYERS = [("conv1+relu1+pool1", 0.001, 0.002), ("dense1", 0.003, 0.004)]


class MadeUp:
    """An engine that answers at once; `fails_at` names the order at which its process ends."""

    def __init__(self, seconds: float, fails_at: str) -> None:
        self.seconds, self.fails_at = seconds, fails_at

    def ask(self, order: str, **details: Any) -> Any:
        if order == self.fails_at:
            raise RuntimeError(f"the process ended at {order!r}")
        return {
            "rates": {"bytes_per_second": 4e12, "flops_per_second": 3e14},
            "work": {"flops": 10**9, "bytes": {"training": 10**6, "inference": 10**5}},
            "peak": 12.0, "layers": LAYERS, "convolutions": LAYERS[:1],
        }.get(order, self.seconds)  # fmt: skip


@pytest.fixture
def fails_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[tuple[str, str], str]:
    """Let made-up engines be measured, into a folder of the test; return where the test says what fails."""
    failures: dict[tuple[str, str], str] = {}

    @contextlib.contextmanager
    def engines(model: str, precision: str) -> Iterator[dict[str, MadeUp]]:
        order = failures.get((model, precision), "")
        yield {"minicnn": MadeUp(0.010, order), "pytorch": MadeUp(0.012, order)}

    results = {
        "date": "2026-01-31", "device": "gpu", "machine": machine.describe(), "batch": gpu.BATCH,
        "card": {"name": "Card 5000"}, "rates": {}, "networks": [], "layers": [], "workspaces": [], "failed": [],
    }  # fmt: skip
    monkeypatch.setattr(gpu, "engines", engines)
    monkeypatch.setattr(gpu, "describe", lambda: json.loads(json.dumps(results)))
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    return failures


def measure(models: list[str]) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        gpu.main(Namespace(only=models, quick=False, json=False))
    return ended.value.code


def test_all_tables_are_printed_and_kept(fails_at, tmp_path, capsys):
    assert measure(["cnn2", "cnn3"]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "2026-01-31-card-5000.md").read_text()
    assert "| **geometric mean** of 2 | training | tf32 | | | **1.20** |" in text
    assert "| **geometric mean** of 2 | inference | float32 | | | **1.20** |" in text
    assert "| cnn3 | float32 | dense1 | 3.000 | 4.000 | 3.000 | 4.000 |" in text
    assert "| cnn2 | conv1+relu1+pool1 | backward | 2.000 | 2.000 | 2.000 | 2.000 |" in text
    assert "| cnn3 | 10.000 | 10.000 | 10.000 | 10.000 |" in text


def test_what_fails_costs_only_itself(fails_at, tmp_path, capsys):
    fails_at["cnn2", "tf32"] = "layers"
    fails_at["cnn3", "float32"] = "warm up"
    assert measure(["cnn2", "cnn3"]) == 1
    text = capsys.readouterr().out
    assert "- cnn2 in tf32 failed: the process ended at 'layers'" in text
    assert "| **geometric mean** of 2 | training | tf32 |" in text  # measured before the layers
    assert "| **geometric mean** of 1 | training | float32 |" in text
    assert "| cnn2 | float32 | dense1 |" in text


@pytest.mark.parametrize("order", ["rates", "run", "workspace"])
def test_tables_of_little_or_nothing(fails_at, order, capsys):
    fails_at.update({("cnn2", precision): order for precision in gpu.PRECISIONS})
    assert measure(["cnn2"]) == 1
    assert "### Failed" in capsys.readouterr().out


def test_every_figure_is_on_disk_before_the_next_is_measured(fails_at, tmp_path, monkeypatch):
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    whole = gpu.measure
    turns = iter([whole, whole, whole, interrupted])
    monkeypatch.setattr(gpu, "measure", lambda *arguments: next(turns)(*arguments))
    with pytest.raises(KeyboardInterrupt):
        gpu.main(Namespace(only=["cnn2"], quick=False, json=False))
    kept = json.loads((tmp_path / "2026-01-31-card-5000.json").read_text())
    assert [(r["precision"], r["task"]) for r in kept["networks"]] == [
        ("tf32", "training"), ("tf32", "inference"), ("float32", "training"),
    ]  # fmt: skip
    assert kept["workspaces"]


def test_earlier_results_are_not_written_over(fails_at, tmp_path):
    (tmp_path / "2026-01-31-card-5000.json").write_text("earlier")
    measure(["cnn2"])
    assert (tmp_path / "2026-01-31-card-5000.json").read_text() == "earlier"
    assert (tmp_path / "2026-01-31-card-5000-2.json").exists()


def test_without_a_gpu_the_command_says_so_in_one_line_and_ends_with_2(monkeypatch, capsys):
    def missing() -> None:
        raise DeviceError("no GPU")

    monkeypatch.setattr(gpu, "require_cupy", missing)
    with pytest.raises(SystemExit) as ended:
        gpu.main(Namespace(only=None, quick=False, json=False))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "no GPU\n"


def test_a_worker_that_has_ended_is_an_error_and_not_a_broken_pipe():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", ""], text=True, **pipes) as process:
        process.wait()
        peer = Peer("engine", process)
        with pytest.raises(RuntimeError, match="engine ended at 'run'"):
            peer.ask("run")
        peer.close()


def test_a_time_is_the_mean_of_as_many_steps_as_fill_the_turn():
    asked = []

    def seconds(step: Any, repeats: int) -> float:
        asked.append(repeats)
        return 0.004

    assert gpu_worker.mean_seconds(SimpleNamespace(seconds=seconds), print, 0.2) == 0.004
    assert asked == [1, gpu_worker.FEWEST, 50]


def test_the_least_traffic_of_a_network():
    """cnn2 on 16×16 pixels, batch 2: a block reads x, writes y and a byte an arg max; each weight is read."""
    net = models.build("cnn2", (16, 16, 3), classes=10, seed=0)
    x, y1, y2 = 2 * 16 * 16 * 3, 2 * 7 * 7 * 32, 2 * 2 * 2 * 64
    weights = sum(parameter.value.size for parameter in net.parameters().values())
    logits = 2 * 10
    forward = 4 * (x + 2 * y1 + 2 * y2 + logits) + y1 + y2
    bytes_moved = gpu_worker.least_bytes(net, 2)
    assert bytes_moved["inference"] == forward + 4 * weights
    backward = 4 * (2 * y1 + x + 2 * y2 + 2 * y1 + 2 * logits + 2 * y2) + y1 + y2
    assert bytes_moved["training"] == forward + backward + 8 * 4 * weights
