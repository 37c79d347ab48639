"""One thread count for the process; kernels beside other threads and in other processes; what an import brings in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import threadpoolctl

from minicnn import get_threads, ops, set_threads, threads
from minicnn.errors import UsageError


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "_threads", None)
    monkeypatch.delenv("MINICNN_THREADS", raising=False)
    yield


def run_script(script: str) -> str:
    """Run `script` in a fresh Python with warnings as errors and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    assert [line for line in result.stderr.splitlines() if "compiling kernels" not in line] == []
    return result.stdout


def test_all_cores_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_threads() == threads.available_cores()
    monkeypatch.setenv("MINICNN_THREADS", "1")
    assert get_threads() == 1
    set_threads(threads.available_cores())
    assert get_threads() == threads.available_cores()


@pytest.mark.parametrize("count", [0, -1, 10_000])
def test_impossible_counts_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=str(count)):
        set_threads(count)


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_a_wrong_environment_variable_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINICNN_THREADS", text)
    with pytest.raises(UsageError, match="MINICNN_THREADS"):
        get_threads()


def test_blas_has_its_threads_back_after_a_kernel(rng: np.random.Generator) -> None:
    x, weight = rng.standard_normal((16, 400)), rng.standard_normal((400, 100))
    ops.dense(x, weight, np.zeros(100))  # loads the library
    before = [library["num_threads"] for library in threadpoolctl.threadpool_info()]
    ops.dense(x, weight, np.zeros(100))
    assert [library["num_threads"] for library in threadpoolctl.threadpool_info()] == before


TRAIN_TINY = """
import hashlib, os, sys, threading
import numpy as np
import minicnn
from minicnn import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential

x = np.random.default_rng(0).standard_normal((16, 20, 20, 3), dtype=np.float32)
labels = np.arange(16) % 4

def train():
    net = Sequential([Conv2D(16, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(32), ReLU(), Dense(4)], (20, 20, 3), seed=0)
    loss, optimizer = minicnn.SoftmaxCrossEntropy(), minicnn.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(5):
        loss.forward(net.forward(x, training=True), labels)
        optimizer.zero_grad()
        net.backward(loss.backward())
        optimizer.step()
    return hashlib.sha256(b"".join(p.value.tobytes() for p in net.parameters().values())).hexdigest()
"""


def test_two_threads_may_train_at_once_and_get_the_same_bits() -> None:
    script = (
        TRAIN_TINY
        + """
alone, results = train(), []
team = [threading.Thread(target=lambda: results.append(train())) for _ in range(3)]
for thread in team: thread.start()
for thread in team: thread.join()
print(len(results), set(results) == {alone})
"""
    )
    assert run_script(script).split() == ["3", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_team_of_its_own() -> None:
    script = (
        TRAIN_TINY
        + """
import warnings
warnings.simplefilter("ignore")  # newer Pythons warn of any fork beside threads
parent = train()
child = os.fork()
if child == 0:
    os._exit(0 if train() == parent else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert run_script(script).split() == ["0"]


def test_importing_minicnn_brings_in_no_slow_library() -> None:
    slow = ("numba", "scipy", "matplotlib", "PIL", "rich", "typer", "torch", "cupy", "jinja2")
    script = f"import sys, minicnn; print([name for name in {slow} if name in sys.modules])"
    assert run_script(script).strip() == "[]"
