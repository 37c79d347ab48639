"""BLAS has one thread while kernels multiply, in whichever Python thread, and its own number afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from minicnn import ops
from minicnn.kernels.cpu import blas, dense


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads_at_rest() -> Iterator[None]:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        yield


def in_another_thread(task: Callable[[], None]) -> None:
    failures = []

    def run() -> None:
        try:
            task()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures


@pytest.mark.parametrize("where", ["the main thread", "another thread"])
def test_a_kernel_multiplies_with_one_blas_thread(where, monkeypatch, rng) -> None:
    seen = []
    work_together = dense.work_together
    monkeypatch.setattr(dense, "work_together", lambda *a: (seen.append(blas_threads()), work_together(*a)))
    x, weight = rng.standard_normal((16, 400)), rng.standard_normal((400, 100))

    def multiply() -> None:
        ops.dense(x, weight, np.zeros(100))
        ops.dense_backward(np.ones((16, 100)), x, weight)

    multiply() if where == "the main thread" else in_another_thread(multiply)
    assert seen == [{1}, {1}]
    assert blas_threads() == {2}


def test_the_last_of_several_threads_to_leave_gives_blas_its_threads_back() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with blas.one_blas_thread():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=stay)
    with blas.one_blas_thread():
        thread.start()
        entered.wait()
    assert blas_threads() == {1}
    leave.set()
    thread.join()
    assert blas_threads() == {2}


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_leaves_nothing_that_the_next_use_does_not_put_right(when, monkeypatch) -> None:
    setters, calls_left = blas._setters, 0

    def interrupted(setter: Callable[[int], Any]) -> Callable[[int], None]:
        def call(threads: int) -> None:
            nonlocal calls_left
            calls_left -= 1
            if calls_left == 0 and when == "before":
                raise KeyboardInterrupt
            setter(threads)
            if calls_left == 0:
                raise KeyboardInterrupt

        return call

    for number in range(1, 2 * len(setters) + 1):  # of calls until the interrupt comes
        calls_left = number
        monkeypatch.setattr(blas, "_setters", list(map(interrupted, setters)))
        with pytest.raises(KeyboardInterrupt), blas.one_blas_thread():
            pass
        monkeypatch.setattr(blas, "_setters", setters)
        with blas.one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {2}, f"after an interrupt at call {number}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer Pythons warn of any fork beside threads
def test_a_child_that_is_forked_amid_a_product_has_its_blas_threads_back() -> None:
    with blas.one_blas_thread():
        child = os.fork()
        if child == 0:
            os._exit(0 if blas_threads() == {2} and not blas._users else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert blas_threads() == {1}


@pytest.mark.parametrize("small_kernels", [True, False])
def test_products_are_the_same_in_pieces(small_kernels, monkeypatch, rng) -> None:
    """Whether BLAS has kernels for small products depends on the processor: here both ways run, as plain Python."""
    pieces: list[int] = []

    def counted(*arguments: Any) -> None:
        pieces.append(arguments[4] if arguments[0] else arguments[2])  # terms of Aᵀ·B, rows of A·B
        blas._plain_gemm(*arguments)

    monkeypatch.setattr(blas, "SMALL_KERNELS", small_kernels)
    monkeypatch.setattr(blas, "gemm", counted)
    monkeypatch.setattr(blas, "_piece", plain(blas._piece))
    a, b, total = rng.standard_normal((100, 70)), rng.standard_normal((70, 400)), np.zeros((100, 400))
    plain(blas.multiply)(100, 400, 70, a.reshape(-1), 70, b.reshape(-1), 400, False, total.reshape(-1), 400)
    np.testing.assert_allclose(total, a @ b)
    assert pieces == ([34, 34, 32] if small_kernels else [100])

    pieces.clear()
    tall, wide, total = rng.standard_normal((100, 70)), rng.standard_normal((100, 400)), np.ones((70, 400))
    product = plain(blas.add_transposed_product)
    product(70, 400, 100, tall.reshape(-1), 70, wide.reshape(-1), 400, total.reshape(-1), 400)
    np.testing.assert_allclose(total, 1 + tall.T @ wide)
    assert pieces == ([34, 34, 32] if small_kernels else [100])


@pytest.mark.parametrize(("core", "small_kernels"), [("Haswell", False), ("SkylakeX", True)])
def test_whether_blas_has_kernels_for_small_products_is_asked_of_blas(core, small_kernels) -> None:
    code = "from minicnn.kernels.cpu import blas_library as b; print(b.SMALL_KERNELS, *b.ARCHITECTURES)"
    environment = os.environ | {"OPENBLAS_CORETYPE": core}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    answer, *architectures = told.stdout.split()
    if core.lower() not in architectures:
        pytest.skip(f"this BLAS has no kernels for {core}")
    assert answer == str(small_kernels)


def plain(function: Any) -> Any:
    """Return what Numba compiled as it stands in the source."""
    return getattr(function, "py_func", function)
