"""The names of `--augment`: in their order behind the fit, and what cuts out of the whole picture in its place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from minicnn.data import Compose, HorizontalFlip, RandomCrop, RandomResizedCrop, Resize
from minicnn.data.transforms import SampleGenerator
from minicnn.errors import UsageError
from minicnn.runs.pixels import AUGMENTATIONS, make_transforms


def kinds(transform: Compose) -> list[type]:
    return [type(step) for step in transform.transforms]


def test_changes_follow_the_fit_in_the_order_asked_for() -> None:
    training, other = make_transforms(16, "crop, flip")
    assert kinds(training) == [Resize, RandomCrop, HorizontalFlip] and kinds(other) == [Resize]


def test_a_resized_crop_sees_more_than_the_square_has() -> None:
    """A stripe two pixels wide of a large picture is grey in its small square, and white in a crop."""
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:, 127:129] = 255
    training, other = make_transforms(64, "resized_crop,flip")
    assert kinds(training) == [RandomResizedCrop, HorizontalFlip] and kinds(other) == [Resize]
    picture = Image.fromarray(pixels)
    square = np.asarray(other(picture, np.random.default_rng(0)))
    crops = [np.asarray(training(picture, np.random.default_rng(seed))) for seed in range(8)]
    assert {crop.shape for crop in crops} == {(64, 64, 3)}
    assert max(crop.max() for crop in crops) > square.max()


@pytest.mark.parametrize("augment", ["flip,resized_crop", "resized_crop,resized_crop"])
def test_a_resized_crop_behind_another_is_refused(augment: str) -> None:
    with pytest.raises(UsageError, match="name it first, and once"):
        make_transforms(64, augment)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_name_gives_pictures_of_the_size(name: str) -> None:
    picture = Image.fromarray(np.full((40, 56, 3), 128, np.uint8))
    training, _ = make_transforms(24, name)
    assert np.asarray(training(picture, SampleGenerator(0, 1, 2))).shape == (24, 24, 3)
