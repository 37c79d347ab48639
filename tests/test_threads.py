"""The thread count, and that it changes speed alone: a kernel's result is the same whatever it is, or nearly so."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import minicnn
from minicnn import threads
from minicnn.errors import UsageError
from tests.ops.calls import CALLS, results


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Forget after each test what it set."""
    monkeypatch.setattr(threads, "_threads", None)
    monkeypatch.delenv("MINICNN_THREADS", raising=False)


def test_all_cores_unless_told_otherwise():
    assert minicnn.get_threads() == threads.available_cores() >= 1


def test_the_environment_and_then_set_threads_decide(monkeypatch):
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    monkeypatch.setenv("MINICNN_THREADS", "3")
    assert minicnn.get_threads() == 3
    minicnn.set_threads(2)
    assert minicnn.get_threads() == 2


def test_more_threads_than_cores_are_cut_down(monkeypatch):
    monkeypatch.setenv("MINICNN_THREADS", "4096")
    assert minicnn.get_threads() == threads.available_cores()


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_an_environment_that_makes_no_sense_is_refused(text, monkeypatch):
    monkeypatch.setenv("MINICNN_THREADS", text)
    with pytest.raises(UsageError, match="MINICNN_THREADS"):
        minicnn.get_threads()


@pytest.mark.parametrize("count", [0, -2, 10_000])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(UsageError, match=f"cannot use {count} threads"):
        minicnn.set_threads(count)


@pytest.mark.parametrize("name", CALLS)
def test_one_thread_gives_what_all_give(name, dtype):
    outcomes = []
    for count in (1, threads.available_cores()):
        minicnn.set_threads(count)
        arguments = CALLS[name](np.random.default_rng(0), dtype)
        outcomes.append(results(name, getattr(minicnn.ops, name)(*arguments), arguments))
    for one, other in zip(*outcomes, strict=True):
        tolerance = {"float32": 2e-5, "float64": 1e-12}.get(one.dtype.name, 0)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * float(np.abs(other).max()))


def test_python_threads_that_call_kernels_at_once_get_their_own_results():
    """A loader's or a user's threads may compute side by side; nothing they share may leak from one to the other."""
    pictures = [np.random.default_rng(i).standard_normal((2, 20, 20, 8)).astype("float32") for i in range(8)]
    weight = np.random.default_rng(9).standard_normal((3, 3, 8, 16)).astype("float32")
    bias = np.zeros(16, "float32")
    expected = [minicnn.ops.conv2d(x, weight, bias) for x in pictures]
    wrong = []

    def compute(index):
        for _ in range(10):
            if not np.array_equal(minicnn.ops.conv2d(pictures[index], weight, bias), expected[index]):
                wrong.append(index)

    workers = [threading.Thread(target=compute, args=(index,)) for index in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
