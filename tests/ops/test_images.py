"""Cutting and normalisation of pixels against the slow loops, in both modes; windows against Pillow and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from minicnn import ops
from minicnn.errors import ShapeError
from minicnn.loops import images as oracle
from tests.comparison import assert_close, call_keeping

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def every_window(h, w, size):
    """Return a window of `size` for each way in which it can lie inside, across or outside of a picture's edges."""
    windows = [
        (top, left, mirrored)
        for top in (-size[0], -size[0] + 1, -1, 0, 1, h - size[0], h - 1, h)
        for left in (-size[1], -size[1] + 1, -1, 0, 1, w - size[1], w - 1, w)
        for mirrored in (0, 1)
    ]
    return np.array(windows, "int32")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(4, 5), (7, 6), (1, 1), (9, 2), (6, 11)], ids=str)
def test_windows_equal_the_loop_and_pillow(size, channels, mode, rng):
    windows = every_window(7, 6, size)
    images = rng.integers(1, 256, size=(len(windows), 7, 6, channels), dtype="uint8")
    y = call_keeping(ops.crop_and_flip, images, windows, size)
    assert y.dtype == "uint8"
    np.testing.assert_array_equal(y, oracle.crop_and_flip(images, windows, size))
    for image, (top, left, mirrored), result in zip(images, windows.tolist(), y, strict=True):
        border = 20  # wider than any window reaches
        picture = ImageOps.expand(Image.fromarray(image.squeeze()), border)
        window = picture.crop((border + left, border + top, border + left + size[1], border + top + size[0]))
        expected = np.asarray(ImageOps.mirror(window) if mirrored else window)
        np.testing.assert_array_equal(result, expected.reshape(result.shape))


@pytest.mark.parametrize("windows", [np.zeros((3, 3), "int32"), np.zeros((2, 2), "int32")], ids=["pictures", "columns"])
def test_windows_of_another_batch_are_refused(windows, mode):
    with pytest.raises(ShapeError, match=r"crop_and_flip.*windows \(" + f"{windows.shape[0]}, {windows.shape[1]}"):
        ops.crop_and_flip(np.zeros((2, 4, 4, 3), "uint8"), windows, (2, 2))


@pytest.mark.parametrize("mean, std", [IMAGENET, ((0.0,) * 3, (1.0,) * 3)], ids=["imagenet", "0 to 1"])
def test_normalisation_equals_the_loop(mean, std, mode, dtype, rng):
    images = rng.integers(256, size=(2, 5, 7, 3), dtype="uint8")
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    y = call_keeping(ops.normalize_pixels, images, mean, std, dtype)
    assert_close(y, oracle.normalize_pixels(images, mean, std), dtype)


def test_the_result_is_float32_unless_asked_otherwise(mode):
    assert ops.normalize_pixels(np.zeros((1, 2, 2, 1), "uint8"), (0.0,), (1.0,)).dtype == "float32"


def test_a_mean_for_each_channel(mode):
    with pytest.raises(ShapeError, match=r"normalize_pixels: .* images \(2, 4, 5, 3\), mean \(1,\), std \(3,\)"):
        ops.normalize_pixels(np.zeros((2, 4, 5, 3), "uint8"), (0.5,), (1, 1, 1))
