"""Feeding a GPU, on a stand-in for CuPy's streams that does everything as late, or as early, as it is allowed to.

Copies and computations wait in the queue of their stream. When a queue is worked off is the adversary's choice: a copy
that happens at the last moment finds out a pinned buffer that was written to too soon, a copy that happens at once
finds out device memory that is overwritten before it was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minicnn import ops
from minicnn.data import UncutBatch
from minicnn.training import feeding
from minicnn.training.batches import as_batches
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization

cut = ops.crop_and_flip.reference


class Stream:
    """A queue of work. Work that waits for another stream's event makes that stream go on first."""

    def __init__(self, eager: bool) -> None:
        self.eager = eager
        self.queue: deque[Callable[[], bool]] = deque()

    def add(self, work: Callable[[], None]) -> None:
        self.queue.append(lambda: work() or True)
        self.progress()

    def wait_event(self, event: Event) -> None:
        mark = event.mark  # as CUDA does: the record as it stands now
        self.queue.append(lambda: mark is None or mark["done"])
        self.progress()

    def progress(self) -> None:
        """Work off what may be done now, if this stream is an eager one."""
        while self.eager and self.queue and self.queue[0]():
            self.queue.popleft()

    def run(self, until: Callable[[], bool], others: list[Stream]) -> None:
        """Work off the queue until a condition holds, letting others go on where this stream has to wait for them."""
        while not until():
            if self.queue[0]():
                self.queue.popleft()
            else:
                blocked = self.queue[0]
                for other in others:
                    while other is not self and other.queue and not blocked() and other.queue[0]():
                        other.queue.popleft()


class Event:
    mark: dict[str, bool] | None = None

    def __init__(self, cupy: FakeCupy) -> None:
        self.cupy = cupy
        self.stream: Stream | None = None

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or self.cupy.compute
        self.mark = mark = {"done": False}
        self.stream.add(lambda: mark.update(done=True))
        self.cupy.progress()

    def synchronize(self) -> None:
        mark = self.mark
        if mark is not None:
            self.stream.run(lambda: mark["done"], self.cupy.streams)


class DeviceMemory:
    """An array on the device: only work in a stream's queue touches its numbers."""

    def __init__(self, cupy: FakeCupy, numbers: np.ndarray) -> None:
        self.cupy, self.numbers = cupy, numbers

    def __getitem__(self, key: slice) -> DeviceMemory:
        return DeviceMemory(self.cupy, self.numbers[key])

    def set(self, host: np.ndarray, stream: Stream) -> None:
        assert self.cupy.is_pinned(host), "only pinned memory is copied while the host goes on"
        assert host.shape == self.numbers.shape and host.dtype == self.numbers.dtype
        stream.add(lambda: np.copyto(self.numbers, host))

    @property
    def dtype(self) -> np.dtype:
        return self.numbers.dtype

    def copy(self) -> DeviceMemory:
        result = DeviceMemory(self.cupy, np.full_like(self.numbers, 99))
        self.cupy.compute.add(lambda: np.copyto(result.numbers, self.numbers))
        return result


class FakeCupy:
    def __init__(self, eager_uploads: bool, eager_compute: bool) -> None:
        self.compute = Stream(eager_compute)
        self.streams = [self.compute]
        self.pinned: list[np.ndarray] = []
        self.cuda = SimpleNamespace(
            Stream=self._stream,
            Event=lambda: Event(self),
            get_current_stream=lambda: self.compute,
            alloc_pinned_memory=self._alloc,
        )
        self.eager_uploads = eager_uploads
        self.synchronized = False

    def _stream(self, non_blocking: bool) -> Stream:
        assert non_blocking, "a stream that waits for the default stream would upload nothing ahead"
        stream = Stream(self.eager_uploads)
        self.streams.append(stream)

        def synchronize() -> None:
            stream.run(lambda: not stream.queue, self.streams)
            self.synchronized = True

        stream.synchronize = synchronize  # type: ignore[attr-defined]
        return stream

    def _alloc(self, nbytes: int) -> np.ndarray:
        self.pinned.append(np.full(nbytes + 64, 255, np.uint8))  # as CuPy's pool does: at least what was asked for
        return self.pinned[-1]

    def is_pinned(self, array: np.ndarray) -> bool:
        return any(np.shares_memory(array, memory) for memory in self.pinned)

    def empty(self, shape: Any, dtype: Any) -> DeviceMemory:
        """Return memory that the compute stream has still to read, for an array that Python has given up already.

        CuPy's pool does so: on the stream that the memory was used on, what it is used for next comes later anyway.
        """
        numbers = np.full(shape, 77, dtype)

        def read() -> None:
            assert (numbers == 77).all(), "memory was written to before its last use on another stream had ended"

        self.compute.add(read)
        return DeviceMemory(self, numbers)

    def progress(self) -> None:
        for stream in self.streams:
            stream.progress()

    def finish(self) -> None:
        for stream in self.streams:
            stream.run(lambda stream=stream: not stream.queue, self.streams)


class Batches:
    """A loader of random pictures, with random windows to be cut out of them or without."""

    def __init__(self, sizes: list[int], windows: bool = False, widths: tuple[int, ...] = (5,)) -> None:
        self.given: list[UncutBatch] = []
        rng = np.random.default_rng(0)
        for number, size in enumerate(sizes):
            images = rng.integers(256, size=(size, 4, widths[number % len(widths)], 3), dtype=np.uint8)
            corners = rng.integers(2, size=(size, 3)).astype(np.int32) if windows else None
            self.given.append(UncutBatch(images, corners, (3, 4), rng.integers(10, size=size)))
        self.read = 0

    def uncut(self, number: int):
        for batch in self.given:
            self.read += 1
            yield batch


def as_it_is(images: DeviceMemory) -> DeviceMemory:
    return images.copy()


def refuse(images: DeviceMemory) -> DeviceMemory:
    raise AssertionError("floats are not normalised")


def finished(batch: UncutBatch) -> np.ndarray:
    """Return the pictures that should arrive of a batch."""
    if batch.windows is None:
        return batch.images
    return cut(batch.images, batch.windows, batch.size)


@pytest.fixture
def cut_on_the_compute_stream(monkeypatch):
    """Let `crop_and_flip` work on device memory, when the compute stream comes to it."""

    def crop_and_flip(images: DeviceMemory, windows: DeviceMemory, size: tuple[int, int]) -> DeviceMemory:
        result = DeviceMemory(images.cupy, np.full((len(images.numbers), *size, 3), 99, np.uint8))
        images.cupy.compute.add(lambda: np.copyto(result.numbers, cut(images.numbers, windows.numbers, size)))
        return result

    monkeypatch.setattr(feeding.ops, "crop_and_flip", crop_and_flip)


@pytest.mark.parametrize("eager_uploads", [False, True], ids=["late uploads", "early uploads"])
@pytest.mark.parametrize("eager_compute", [False, True], ids=["late computing", "early computing"])
@pytest.mark.parametrize("sizes", [[4, 4, 4, 4, 4, 2], [4], [1, 3, 4, 4, 2, 5, 1, 1], []])
@pytest.mark.parametrize("windows, widths", [(False, (5,)), (True, (5,)), (True, (5, 5, 6, 7, 6))])
@pytest.mark.usefixtures("cut_on_the_compute_stream")
def test_every_batch_arrives_whole_whatever_is_done_first(
    monkeypatch, eager_uploads, eager_compute, sizes, windows, widths
):
    cupy = FakeCupy(eager_uploads, eager_compute)
    monkeypatch.setattr(feeding, "require_cupy", lambda: cupy)
    loader = Batches(sizes, windows, widths)
    arrived = list(feed(loader, 0, as_it_is, device="gpu"))  # type: ignore[arg-type]
    cupy.finish()
    assert cupy.synchronized
    assert len(arrived) == len(sizes)
    for (x, labels), batch in zip(arrived, loader.given, strict=True):
        np.testing.assert_array_equal(x.numbers, finished(batch))
        np.testing.assert_array_equal(labels.numbers, batch.labels)


@pytest.mark.parametrize("eager_uploads", [False, True], ids=["late uploads", "early uploads"])
@pytest.mark.parametrize("eager_compute", [False, True], ids=["late computing", "early computing"])
def test_floats_arrive_as_they_are_in_memory_of_their_own(monkeypatch, eager_uploads, eager_compute):
    cupy = FakeCupy(eager_uploads, eager_compute)
    monkeypatch.setattr(feeding, "require_cupy", lambda: cupy)
    x = np.random.default_rng(0).random((11, 3), dtype="float32")
    batches = as_batches((x, np.arange(11)), batch_size=2)
    arrived = list(feed(batches, 0, refuse, device="gpu"))  # type: ignore[arg-type]
    cupy.finish()
    np.testing.assert_array_equal(np.concatenate([x.numbers for x, _ in arrived]), x)
    np.testing.assert_array_equal(np.concatenate([labels.numbers for _, labels in arrived]), np.arange(11))


def test_the_next_batch_is_on_its_way_before_this_one_is_handed_out(monkeypatch):
    cupy = FakeCupy(eager_uploads=False, eager_compute=False)
    monkeypatch.setattr(feeding, "require_cupy", lambda: cupy)
    loader = Batches([2] * 5)
    batches = feed(loader, 0, as_it_is, device="gpu")  # type: ignore[arg-type]
    for number in range(1, 5):
        next(batches)
        assert loader.read == number + 1


def test_uploads_have_ended_when_the_loop_is_left_early(monkeypatch):
    cupy = FakeCupy(eager_uploads=False, eager_compute=False)
    monkeypatch.setattr(feeding, "require_cupy", lambda: cupy)
    batches = feed(Batches([2] * 5), 0, as_it_is, device="gpu")  # type: ignore[arg-type]
    next(batches)
    batches.close()
    assert cupy.synchronized and not cupy.streams[1].queue


@pytest.mark.parametrize("windows", [False, True])
def test_on_the_cpu_batches_are_cut_and_normalised_and_labels_pass_through(windows):
    loader = Batches([3, 2], windows)
    normalization = Normalization(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    for (x, labels), batch in zip(feed(loader, 0, normalization), loader.given, strict=True):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, (finished(batch) / 255 - 0.5) / 0.25, atol=1e-6)
        np.testing.assert_array_equal(labels, batch.labels)
