"""Images on disk → batches: threads read and transform, the seed decides what comes and in what order.

Crops and flips at the end of a transform only move pixels. `Loader.epoch` carries them out a picture at a time, as all
else; `Loader.uncut` draws the same random numbers and leaves the cutting, of a whole batch at once, to its caller.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from minicnn.data.folder import ImageDataset
from minicnn.data.images import UnreadableImage
from minicnn.data.transforms import Compose, Resize, SampleGenerator, Transform, Window
from minicnn.errors import ShapeError, UsageError

CACHE_LIMIT = 2 * 2**30  # bytes of pixels that one loader keeps


class Batch(NamedTuple):
    """images (N, H, W, 3) uint8, C-contiguous; labels (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


class UncutBatch(NamedTuple):
    """A batch whose last step is left to do: a window that has to be cut out of each picture, and mirrored or not.

    images: (N, H, W, 3) uint8, C-contiguous. windows: (N, 3) int32, for each picture (top, left, mirrored): see
    `Window`; None where there is nothing to cut. size: (height, width) of all windows, in pixels. labels: (N,) int64.
    """

    images: np.ndarray
    windows: np.ndarray | None
    size: tuple[int, int]
    labels: np.ndarray


class Loader:
    """Batches of a dataset, epoch after epoch.

    Every picture has a random generator of its own, made from (seed, epoch, its number in the dataset), and
    the order of an epoch comes from (seed, epoch). So a batch is the same whatever the number of workers,
    with the cache or without, and after a restart: `epoch(k)` depends on k and on nothing that ran before.

    A file that turns out to be unreadable is noted in `dataset.skipped`, and its batch has one image less.

    dataset: the images.
    batch_size: images a batch; the last of an epoch may have fewer.
    transform: from picture to picture, ending at one size for all, such as Resize(64).
    shuffle: a new order in every epoch, instead of the dataset's.
    seed: of order and transforms, 0 … 2⁶⁴-1.
    workers: threads that read and transform; 0 does it in the caller's thread.
    prefetch: batches that are being prepared ahead.
    drop_last: leave out the last batch where it is smaller.
    cache: keep each picture as it is before the first random transform, while CACHE_LIMIT bytes are not
        reached, so that later epochs need not decode it again.
    every_class: refuse, at the end of an epoch, a class whose images have all turned out to be unreadable.
    Raises UsageError for numbers out of range and for a dataset without images.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        transform: Transform,
        *,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 2,
        prefetch: int = 4,
        drop_last: bool = False,
        cache: bool = True,
        every_class: bool = False,
    ):
        for name, value, lowest in [
            ("batch size", batch_size, 1),
            ("workers", workers, 0),
            ("prefetch", prefetch, 1),
        ]:
            if value < lowest:
                raise UsageError(f"{name} must be at least {lowest}; got {value}")
        if not 0 <= seed < 2**64:
            raise UsageError(f"a seed is a whole number from 0 to 2**64 - 1; got {seed}")
        if len(dataset) == 0:
            raise UsageError("the dataset has no images")
        if drop_last and len(dataset) < batch_size:
            raise UsageError(
                f"drop_last leaves no batch: {len(dataset)} images are less than one batch of {batch_size}"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.transform = transform
        self.shuffle = shuffle
        self.seed = seed
        self.workers = workers
        self.prefetch = prefetch
        self.drop_last = drop_last
        self.every_class = every_class
        whole = transform if isinstance(transform, Compose) else Compose((transform,))
        self._fixed, self._random, self._moves = whole.split()
        first = self._fixed.transforms[0] if self._fixed.transforms else None
        self._at_least = first.at_least if isinstance(first, Resize) else None
        self._cache = PixelCache(CACHE_LIMIT if cache else 0)

    def in_order(self) -> Loader:
        """Return a loader of the same pictures in the dataset's order, which keeps no pixels."""
        return Loader(
            self.dataset, self.batch_size, self.transform, seed=self.seed, workers=self.workers, prefetch=self.prefetch,
            cache=False, every_class=self.every_class,
        )  # fmt: skip

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of epoch `number` (0, 1, …), each as (images, labels).

        Breaking out of the loop ends the threads. What goes wrong in a thread is raised here.

        Raises ShapeError where pictures of a batch differ in size; UnreadableImage only of a strict dataset;
        UsageError, with `every_class`, after the last batch.
        """
        for batch in self._batches(number, cut=True):
            yield Batch(batch.images, batch.labels)

    def uncut(self, number: int) -> Iterator[UncutBatch]:
        """Yield the batches of epoch `number` with the crops and flips at the transform's end still to be done.

        Cutting the windows out gives the images of `epoch`, to the bit. Raises as `epoch`.
        """
        return self._batches(number, cut=False)

    def _batches(self, number: int, cut: bool) -> Iterator[UncutBatch]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            np.random.default_rng([self.seed, number]).shuffle(order)
        chunks = [order[i * self.batch_size : (i + 1) * self.batch_size] for i in range(len(self))]
        for pictures, windows, labels, errors in self._prepared(chunks, number, cut):
            for error in errors:
                self.dataset.skip(error)
            if pictures:
                places = [(window.top, window.left, window.mirrored) for window in windows]
                yield UncutBatch(
                    _stack(pictures),
                    np.array(places, dtype=np.int32) if self._moves else None,
                    (windows[0].height, windows[0].width),
                    np.array(labels, dtype=np.int64),
                )
        if self.every_class:  # only now has every file been decoded
            self.dataset.require_every_class()

    def _prepared(self, chunks: list[np.ndarray], epoch: int, cut: bool) -> Iterator[_Prepared]:
        """Prepare the batches ahead in threads, and give them out in order."""
        closed = threading.Event()
        if self.workers == 0:
            for chunk in chunks:
                yield self._prepare(chunk, epoch, cut, closed)
            return
        waiting: deque[Future[_Prepared]] = deque()
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="minicnn-loader")
        try:
            for chunk in chunks:
                waiting.append(executor.submit(self._prepare, chunk, epoch, cut, closed))
                if len(waiting) > self.prefetch:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also when the caller stops early: the generator is closed then
            closed.set()
            executor.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, indices: np.ndarray, epoch: int, cut: bool, closed: threading.Event) -> _Prepared:
        pictures: list[np.ndarray] = []
        windows: list[Window] = []
        labels: list[int] = []
        errors: list[UnreadableImage] = []
        for index in indices.tolist():
            if closed.is_set():
                break
            try:
                picture, window = self._picture(index, epoch)
            except UnreadableImage as error:
                errors.append(error)
                continue
            pictures.append(picture)
            windows.append(window)
            labels.append(int(self.dataset.labels[index]))
        if self._moves and (cut or not _can_wait(pictures, windows)):
            pictures = [
                np.asarray(window.cut_out_of(Image.fromarray(picture)))
                for picture, window in zip(pictures, windows, strict=True)
            ]
            windows = [_whole(picture) for picture in pictures]
        return _Prepared(pictures, windows, labels, errors)

    def _picture(self, index: int, epoch: int) -> tuple[np.ndarray, Window]:
        """One transformed picture, (H, W, 3) uint8, and the window that is yet to be cut out of it."""
        fixed = self._cache.get(index)
        if fixed is None:
            rng = SampleGenerator(self.seed, epoch, index)
            fixed = np.asarray(self._fixed(self.dataset.read(index, self._at_least), rng))
            self._cache.put(index, fixed)
        if not (self._random.transforms or self._moves):
            return fixed, _whole(fixed)
        picture, rng = fixed, SampleGenerator(self.seed, epoch, index)
        if self._random.transforms:
            picture = np.asarray(self._random(Image.fromarray(fixed), rng))
        window = _whole(picture)
        for transform in self._moves:
            window = transform.move(window, rng)
        return picture, window


class _Prepared(NamedTuple):
    pictures: list[np.ndarray]
    windows: list[Window]
    labels: list[int]
    errors: list[UnreadableImage]


class PixelCache:
    """Pictures by their number, until `limit` bytes are used; what does not fit is not kept."""

    def __init__(self, limit: int):
        self._limit = limit
        self._used = 0
        self._pictures: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def get(self, index: int) -> np.ndarray | None:
        """The picture, or None where it is not kept."""
        return self._pictures.get(index)

    def put(self, index: int, picture: np.ndarray) -> None:
        """Keep the picture if there is room."""
        with self._lock:
            if self._used + picture.nbytes <= self._limit:
                self._used += picture.nbytes
                self._pictures[index] = picture


def _whole(picture: np.ndarray) -> Window:
    return Window(0, 0, picture.shape[0], picture.shape[1])


def _can_wait(pictures: list[np.ndarray], windows: list[Window]) -> bool:
    """Return whether all pictures fit into one array, all windows too, and half of the pixels or more are in windows.

    Where more of a picture is cut off, cutting it later would cost more memory and transfer than it saves time.
    """
    sizes = {(picture.shape[:2], window[2:4]) for picture, window in zip(pictures, windows, strict=True)}
    return len(sizes) <= 1 and all(2 * h * w >= picture_h * picture_w for (picture_h, picture_w), (h, w) in sizes)


def _stack(pixels: list[np.ndarray]) -> np.ndarray:
    sizes = {picture.shape for picture in pixels}
    if len(sizes) > 1:
        (one_height, one_width, _), (other_height, other_width, _) = sorted(sizes)[:2]
        raise ShapeError(
            f"pictures of a batch differ in size, {one_height}×{one_width} and {other_height}×{other_width} "
            "pixels: end the transform with Resize(size) or CenterCrop(size)"
        )
    return np.stack(pixels)
