"""Normalisation of pixels against the slow loop, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops
from tests.comparison import assert_close, call_keeping
from tests.oracles import images as oracle

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("mean, std", [IMAGENET, ((0.0,) * 3, (1.0,) * 3)], ids=["imagenet", "0 to 1"])
def test_normalisation_equals_the_loop(mean, std, mode, dtype, rng):
    images = rng.integers(256, size=(2, 5, 7, 3), dtype="uint8")
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    y = call_keeping(ops.normalize_pixels, images, mean, std, dtype)
    assert_close(y, oracle.normalize_pixels(images, mean, std), dtype)


def test_the_result_is_float32_unless_asked_otherwise(mode):
    assert ops.normalize_pixels(np.zeros((1, 2, 2, 1), "uint8"), (0.0,), (1.0,)).dtype == "float32"
