"""Memory is used again only when nobody holds it."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from minicnn import ops
from minicnn.kernels.cpu import memory

LARGE = (memory.SMALLEST_KEPT, 3)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def own_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_blocks", [])
    monkeypatch.setattr(memory, "_last_used", [])


def test_a_dropped_array_gives_its_memory_to_the_next() -> None:
    first = memory.empty(LARGE, np.float32)
    place = address(first)
    del first
    assert address(memory.empty(LARGE, np.float32)) == place


def test_a_held_array_is_never_given_away_not_even_by_a_view() -> None:
    first = memory.empty(LARGE, np.float32)
    first.fill(1)
    view = first[5:, ::2].reshape(-1)
    del first
    second = memory.empty(LARGE, np.float32)
    second.fill(2)
    assert (view == 1).all()


def test_shape_dtype_and_order() -> None:
    for dtype in (np.float32, np.float64, np.uint8, np.bool_):
        array = memory.empty((70_000, 2), dtype)
        assert (array.shape, array.dtype) == ((70_000, 2), dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_a_block_serves_what_fills_most_of_it() -> None:
    first = memory.empty((1_000_000,), np.uint8)
    place = address(first)
    del first
    assert address(memory.empty((500_000,), np.uint8)) != place
    assert address(memory.empty((900_000,), np.uint8)) == place


def test_idle_memory_goes_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "IDLE_REQUESTS", 2)
    held = [memory.empty(LARGE, np.float32)]
    memory.empty((3_000_000,), np.uint8)  # dropped at once, and never wanted again
    for still_there in (True, True, False):
        held.append(memory.empty(LARGE, np.float32))
        assert (3_000_000 in [block.nbytes for block in memory._blocks]) == still_there
    assert [block.nbytes for block in memory._blocks] == [array.nbytes for array in held]


def test_results_that_the_user_keeps_stay_as_they_are(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 400), dtype=np.float32)
    kept = [ops.relu(x * sign) for sign in (1, -1, 1, -1)]
    for sign, y in zip((1, -1, 1, -1), kept, strict=True):
        np.testing.assert_array_equal(y, np.maximum(x * sign, 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer Pythons warn of any fork beside threads
def test_a_child_that_is_forked_while_memory_is_being_taken_may_take_some() -> None:
    with memory._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a child that waits for the lock for ever is killed
            memory.empty(LARGE, np.float32)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
