"""Memory is used again only when nobody holds it."""

from __future__ import annotations

import gc
import os
import signal
import weakref

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential, ops, release_memory
from minicnn.kernels.cpu import memory

LARGE = (memory.SMALLEST_KEPT, 3)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def own_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_kept", memory._Kept())


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
        assert (3_000_000 in [block.nbytes for block in memory._kept.blocks]) == still_there
    assert [block.nbytes for block in memory._kept.blocks] == [array.nbytes for array in held]


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


def test_memory_is_given_back_on_request_and_what_is_held_stays_whole() -> None:
    held, dropped = memory.empty(LARGE, np.float32), memory.empty(LARGE, np.float32)
    held.fill(1)
    block = weakref.ref(dropped.base)
    del dropped
    assert block() is not None
    release_memory()
    assert block() is None
    memory.empty(LARGE, np.float32).fill(2)
    assert (held == 1).all()
    block = weakref.ref(held.base)
    del held
    assert block() is None, "what was held goes back with its last array"


def test_a_deleted_network_leaves_no_memory_behind(rng: np.random.Generator) -> None:
    net = Sequential([Conv2D(8, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(10)], input_shape=(64, 64, 3))
    logits = net.forward(rng.standard_normal((8, 64, 64, 3), dtype=np.float32), training=True)
    net.backward(np.ones_like(logits))
    assert memory._kept.blocks
    blocks = [weakref.ref(block) for block in memory._kept.blocks]
    del logits, net
    gc.collect()
    assert [block for block in blocks if block() is not None] == []
