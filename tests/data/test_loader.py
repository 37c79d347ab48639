"""Batches: complete, in order, the same however they are made, and gone when nobody wants them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn import ops
from minicnn.data import (
    AlternatingFlip,
    ColorJitter,
    Compose,
    HorizontalFlip,
    ImageDataset,
    Loader,
    Pad,
    RandomCrop,
    RandomResizedCrop,
    Resize,
    SampleGenerator,
    Transform,
    UnreadableImage,
    read_image,
)
from minicnn.data import loader as loader_module
from minicnn.errors import ShapeError, UsageError

RANDOM = Compose([Resize(20), RandomCrop(16), HorizontalFlip(), ColorJitter(0.3, 0.3, 0.3, 0.1)])


@pytest.fixture
def dataset(make_folder) -> ImageDataset:
    return ImageDataset.from_folder(make_folder("pets", {"cat": 13, "dog": 10}))


def batches(loader: Loader, epoch: int = 0) -> list[tuple[bytes, tuple[int, ...]]]:
    return [(images.tobytes(), tuple(labels.tolist())) for images, labels in loader.epoch(epoch)]


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("minicnn-loader")]


def test_without_shuffle_every_image_comes_in_the_datasets_order(dataset: ImageDataset) -> None:
    loader = Loader(dataset, 5, Resize((8, 12)))
    images, labels = (np.concatenate(parts) for parts in zip(*loader.epoch(0), strict=True))
    expected = [np.asarray(read_image(path).resize((12, 8), Image.Resampling.BILINEAR)) for path in dataset.paths]
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, dataset.labels)
    assert [len(labels) for _, labels in loader.epoch(1)] == [5, 5, 5, 5, 3]
    assert len(loader) == 5


def test_types_and_memory_layout(dataset: ImageDataset) -> None:
    for images, labels in Loader(dataset, 23, RANDOM).epoch(0):
        assert (images.dtype, images.shape) == (np.uint8, (23, 16, 16, 3))
        assert images.flags.c_contiguous
        assert (labels.dtype, labels.shape) == (np.int64, (23,))


def test_drop_last(dataset: ImageDataset) -> None:
    loader = Loader(dataset, 5, Resize(8), drop_last=True)
    assert [len(labels) for _, labels in loader.epoch(0)] == [5, 5, 5, 5]
    assert len(loader) == 4


@pytest.mark.parametrize(
    "transform", [RANDOM, RandomResizedCrop(16), Resize(16)], ids=["fixed head", "no head", "fixed"]
)
def test_workers_prefetch_and_cache_change_nothing(dataset: ImageDataset, transform: Transform) -> None:
    def run(workers: int, prefetch: int, cache: bool) -> list[list[tuple[bytes, tuple[int, ...]]]]:
        loader = Loader(dataset, 4, transform, shuffle=True, seed=5, workers=workers, prefetch=prefetch, cache=cache)
        return [batches(loader, epoch) for epoch in range(3)]

    expected = run(workers=0, prefetch=1, cache=False)
    for workers, prefetch, cache in [(0, 1, True), (1, 1, True), (4, 2, True), (4, 9, False)]:
        assert run(workers, prefetch, cache) == expected


MOVES = (RandomCrop(16, padding=3), HorizontalFlip())
JITTER = ColorJitter(0.3, 0.3, 0.3, 0.1)


@pytest.mark.parametrize(
    "transform",
    [
        Compose([Resize(20), *MOVES]),
        Compose([Resize(20), JITTER, *reversed(MOVES)]),
        Compose([Resize((16, 18)), HorizontalFlip()]),
        Compose([Resize(60), *MOVES]),
        Compose([Resize(16), HorizontalFlip(), AlternatingFlip(), Pad(3), RandomCrop(16)]),
        Compose([Resize(20), RandomCrop(16), HorizontalFlip(), Pad(3), HorizontalFlip()]),
        RANDOM,
        Resize(16),
    ],
    ids=[
        "windows",
        "after others",
        "flip alone",
        "small windows",
        "flips before a border",
        "border behind a crop",
        "before others",
        "none",
    ],
)
@pytest.mark.parametrize("workers", [0, 3])
def test_windows_cut_at_once_are_the_transform_s_pictures(dataset: ImageDataset, transform, workers: int) -> None:
    """Each picture goes through the whole transform here, one after the other, as Pillow carries it out."""
    loader = Loader(dataset, 5, transform, shuffle=True, seed=5, workers=workers)
    for epoch in (0, 3):
        order = np.arange(23)
        np.random.default_rng([5, epoch]).shuffle(order)
        expected = np.stack([
            np.asarray(transform(read_image(dataset.paths[i]), SampleGenerator(5, epoch, i)))
            for i in order.tolist()
        ])  # fmt: skip
        np.testing.assert_array_equal(np.concatenate([images for images, _ in loader.epoch(epoch)]), expected)
        uncut = list(loader.uncut(epoch))
        np.testing.assert_array_equal(np.concatenate([batch.labels for batch in uncut]), dataset.labels[order])
        assert all((batch.windows is None) == (transform in (RANDOM, Resize(16))) for batch in uncut)
        pictures = [
            batch.images if batch.windows is None else ops.crop_and_flip(batch.images, batch.windows, batch.size)
            for batch in uncut
        ]
        np.testing.assert_array_equal(np.concatenate(pictures), expected)


def test_windows_of_like_pictures_are_left_to_be_cut(dataset: ImageDataset) -> None:
    for batch in Loader(dataset, 5, Compose([Resize((20, 18)), *MOVES])).uncut(0):
        assert batch.images.shape[1:] == (20, 18, 3) and batch.images.flags.c_contiguous
        assert (batch.windows.dtype, batch.windows.shape, batch.size) == (np.int32, (len(batch.labels), 3), (16, 16))
        assert batch.windows.any()


def test_pictures_of_which_most_is_cut_off_or_that_differ_are_cut_one_by_one(make_folder) -> None:
    make_folder("mixed", {"wide": 3}, size=(20, 30))
    dataset = ImageDataset.from_folder(make_folder("mixed", {"square": 2}, size=(20, 20)))
    for transform in (Compose(MOVES), Compose([Resize(40), *MOVES])):
        (batch,) = Loader(dataset, 5, transform).uncut(0)
        (images, _), *_ = Loader(dataset, 5, transform).epoch(0)
        np.testing.assert_array_equal(batch.images, images)
        assert not batch.windows.any() and batch.size == (16, 16)


def test_a_cache_too_small_for_all_changes_nothing(dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = batches(Loader(dataset, 4, RANDOM), epoch=1)
    monkeypatch.setattr(loader_module, "CACHE_LIMIT", 5 * 20 * 20 * 3 + 7)
    loader = Loader(dataset, 4, RANDOM)
    batches(loader, epoch=0)
    assert len(loader._cache._pictures) == 5
    assert batches(loader, epoch=1) == expected


def test_later_epochs_come_from_the_cache(dataset: ImageDataset) -> None:
    loader = Loader(dataset, 4, RANDOM)
    batches(loader)
    for path in dataset.paths:
        path.unlink()
    assert sum(len(labels) for _, labels in loader.epoch(1)) == 23
    assert dataset.skipped == []


def test_an_epoch_depends_on_its_number_alone(dataset: ImageDataset) -> None:
    loader = Loader(dataset, 4, RANDOM, shuffle=True, seed=5)
    third = [batches(loader, epoch) for epoch in range(3)][2]
    resumed = Loader(dataset, 4, RANDOM, shuffle=True, seed=5)
    assert batches(resumed, epoch=2) == third
    assert batches(resumed, epoch=1) != third
    assert batches(Loader(dataset, 4, RANDOM, shuffle=True, seed=6), epoch=2) != third


@pytest.mark.parametrize("transform", [ColorJitter(0.3), RandomCrop(16)], ids=["picture", "window"])
def test_every_epoch_draws_its_random_changes_anew(dataset: ImageDataset, transform: Transform) -> None:
    loader = Loader(dataset, 23, Compose([Resize(20), transform]))  # in the dataset's order: images alone can differ
    (first,), (second,), (again,) = (list(loader.epoch(number)) for number in (0, 1, 0))
    changed = (first.images != second.images).any(axis=(1, 2, 3))
    assert changed.sum() > 20
    np.testing.assert_array_equal(first.images, again.images)


def test_shuffle_deals_every_image_once_and_anew_in_each_epoch(dataset: ImageDataset) -> None:
    loader = Loader(dataset, 4, Resize(8), shuffle=True)
    plain = {images.tobytes() for batch, _ in Loader(dataset, 4, Resize(8)).epoch(0) for images in batch}
    orders = []
    for epoch in range(2):
        order = [image.tobytes() for batch, _ in loader.epoch(epoch) for image in batch]
        assert len(order) == 23
        assert set(order) == plain
        orders.append(order)
    assert orders[0] != orders[1]


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("cache", [True, False])
def test_an_unreadable_image_leaves_its_batch_and_is_named(dataset: ImageDataset, workers: int, cache: bool) -> None:
    for index in (6, 1):
        path = dataset.paths[index]
        path.write_bytes(path.read_bytes()[:-200])
    loader = Loader(dataset, 4, Resize(8), workers=workers, cache=cache)
    for epoch in range(2):
        assert [len(labels) for _, labels in loader.epoch(epoch)] == [3, 3, 4, 4, 4, 3]
    assert [entry.path for entry in dataset.skipped] == [dataset.paths[1], dataset.paths[6]]


def test_a_batch_without_any_image_left_is_not_given_out(dataset: ImageDataset) -> None:
    for path in dataset.paths[:4]:
        path.write_bytes(path.read_bytes()[:-200])
    assert [len(labels) for _, labels in Loader(dataset, 4, Resize(8)).epoch(0)] == [4, 4, 4, 4, 3]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_strict_dataset_raises_instead(dataset: ImageDataset, workers: int) -> None:
    dataset.strict = True
    dataset.paths[6].write_bytes(b"no picture any more")
    with pytest.raises(UnreadableImage, match=r"006\.jpg"):
        batches(Loader(dataset, 4, Resize(8), workers=workers))
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_in_threads_reach_the_caller(dataset: ImageDataset, workers: int) -> None:
    class Broken(Transform):
        def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
            raise ZeroDivisionError("in a transform")

    with pytest.raises(ZeroDivisionError, match="in a transform"):
        batches(Loader(dataset, 4, Broken(), workers=workers))
    assert loader_threads() == []


def test_leaving_the_loop_ends_the_threads(dataset: ImageDataset) -> None:
    for _ in Loader(dataset, 2, RANDOM, workers=3, prefetch=6).epoch(0):
        assert loader_threads()
        break
    assert loader_threads() == []
    epoch = Loader(dataset, 2, RANDOM, workers=3).epoch(0)
    next(epoch)
    del epoch
    assert loader_threads() == []


def test_pictures_of_different_sizes_are_refused(make_folder) -> None:
    make_folder("mixed", {"wide": 1}, size=(8, 12))
    dataset = ImageDataset.from_folder(make_folder("mixed", {"square": 1}, size=(8, 8)))
    with pytest.raises(ShapeError, match="8×8 and 8×12 pixels: end the transform with Resize"):
        batches(Loader(dataset, 2, Compose([])))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch size must be at least 1; got 0"),
        ({"workers": -1}, "workers must be at least 0; got -1"),
        ({"prefetch": 0}, "prefetch must be at least 1; got 0"),
        ({"seed": -1}, "seed is a whole number from 0"),
        ({"batch_size": 24, "drop_last": True}, "drop_last leaves no batch: 23 images"),
    ],
)
def test_numbers_out_of_range(dataset: ImageDataset, settings: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Loader(dataset, **{"batch_size": 4, "transform": Resize(8), **settings})


def test_no_images(dataset: ImageDataset) -> None:
    with pytest.raises(UsageError, match="the dataset has no images"):
        Loader(dataset.subset(np.array([], dtype=np.int64)), 4, Resize(8))


def test_the_cached_pictures_are_never_changed(dataset: ImageDataset, tmp_path: Path) -> None:
    loader = Loader(dataset, 4, Resize(8))
    first = [images for images, _ in loader.epoch(0)]
    for images in first:
        images[:] = 0  # a caller may do what it likes with its batch
    assert batches(loader, epoch=1) == batches(Loader(dataset, 4, Resize(8)), epoch=1)


def test_a_class_of_broken_images_is_refused_once_they_are_decoded(dataset: ImageDataset) -> None:
    loader = Loader(dataset, 4, Resize(8))
    of_class = [path for path, label in zip(dataset.paths, dataset.labels, strict=True) if label == 1]
    for path in of_class[:-1]:
        path.write_bytes(path.read_bytes()[:-200])
    batches(loader)
    dataset.require_every_class()
    of_class[-1].write_bytes(of_class[-1].read_bytes()[:-200])
    batches(Loader(dataset, 4, Resize(8)))
    with pytest.raises(UsageError, match=f"the class '{dataset.classes[1]}' has no image that can be read"):
        dataset.require_every_class()


@pytest.mark.parametrize("workers", [0, 2])
def test_alternating_flips_show_each_picture_both_ways_in_two_epochs(dataset: ImageDataset, workers: int) -> None:
    """Whole, and as windows that are cut out later; whatever the order of the pictures is."""
    plain = np.concatenate([images for images, _ in Loader(dataset, 5, Resize(8)).epoch(0)])
    loader = Loader(dataset, 5, Compose((Resize(8), AlternatingFlip())), workers=workers, seed=11)
    epochs = [np.concatenate([images for images, _ in loader.epoch(number)]) for number in (4, 5)]
    for one, other, picture in zip(*epochs, plain, strict=True):
        assert (one == other[:, ::-1]).all() and ((one == picture).all() or (other == picture).all())
    assert 0 < sum((one == picture).all() for one, picture in zip(epochs[0], plain, strict=True)) < len(plain)
    mirrored = np.concatenate([batch.windows[:, 2] for batch in loader.uncut(4)])
    assert [bool(m) for m in mirrored] == [not (o == p).all() for o, p in zip(epochs[0], plain, strict=True)]


@pytest.mark.parametrize("flips", [(), (AlternatingFlip(), HorizontalFlip())], ids=["alone", "behind flips"])
def test_a_padded_crop_is_cut_from_the_padded_picture_that_is_kept(dataset: ImageDataset, flips) -> None:
    loader = Loader(dataset, 23, Compose((Resize(8), *flips, Compose((Pad(1), RandomCrop(8))))), seed=2)
    (batch,), (images,) = list(loader.uncut(1)), [images for images, _ in loader.epoch(1)]
    assert batch.images.shape == (23, 10, 10, 3) and batch.size == (8, 8)
    for picture, (top, left, mirrored), cut in zip(batch.images, batch.windows, images, strict=True):
        part = picture[top : top + 8, left : left + 8]
        np.testing.assert_array_equal(part[:, ::-1] if mirrored else part, cut)


@pytest.mark.parametrize("flips", [(), (AlternatingFlip(), HorizontalFlip())], ids=["alone", "behind flips"])
def test_a_border_is_added_once_a_picture_and_not_in_every_epoch(dataset: ImageDataset, flips, monkeypatch) -> None:
    padded: list[int] = []
    pad = Pad.__call__
    monkeypatch.setattr(Pad, "__call__", lambda *arguments: (padded.append(1), pad(*arguments))[1])
    loader = Loader(dataset, 5, Compose((Resize(8), *flips, Pad(1), RandomCrop(8))), workers=0)
    for epoch in range(3):
        assert sum(len(labels) for _, labels in loader.epoch(epoch)) == 23
    assert len(padded) == 23
