"""Flips and shifts at test time: the mean of several logits, in evaluation, in validation, and for pictures alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minicnn import models, ops
from minicnn.data import Loader
from minicnn.errors import ShapeError
from minicnn.training.evaluation import evaluate, logits_of
from minicnn.training.trainer import Trainer
from tests.training.tiny import assert_same_weights


def test_logits_of_a_picture_and_its_mirror_are_averaged(rng: np.random.Generator) -> None:
    net = models.build("cnn2", (12, 16, 3), classes=4, seed=1)
    x = rng.random((5, 12, 16, 3), dtype="float32")
    mirrored = np.flip(x, axis=2).copy()
    np.testing.assert_array_equal(logits_of(net, x), net.forward(x))
    np.testing.assert_allclose(
        logits_of(net, x, flip=True), (net.forward(x) + net.forward(mirrored)) / 2, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(logits_of(net, x, flip=True), logits_of(net, mirrored, flip=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pixels", [1, 3])
def test_logits_of_shifted_pictures_count_a_quarter_each(pixels: int, rng: np.random.Generator) -> None:
    net = models.build("cnn2", (12, 16, 3), classes=4, seed=1)
    x = rng.random((5, 12, 16, 3), dtype="float32")
    rows, columns = np.arange(12), np.arange(16)
    up = x[:, mirrored_at_edges(rows + pixels, 12)][:, :, mirrored_at_edges(columns + pixels, 16)]
    down = x[:, mirrored_at_edges(rows - pixels, 12)][:, :, mirrored_at_edges(columns - pixels, 16)]
    expected = net.forward(x) / 2 + net.forward(up) / 4 + net.forward(down) / 4
    np.testing.assert_allclose(logits_of(net, x, shift=pixels), expected, rtol=1e-5, atol=1e-6)
    views = [view for one in (up, down) for view in (one, np.flip(one, axis=2).copy())]
    expected = logits_of(net, x, flip=True) / 2 + sum(net.forward(view) for view in views) / 8
    np.testing.assert_allclose(logits_of(net, x, flip=True, shift=pixels), expected, rtol=1e-5, atol=1e-6)


def mirrored_at_edges(places: np.ndarray, length: int) -> np.ndarray:
    """Return where places outside of 0 … length − 1 lie when they are mirrored at the first and the last."""
    return length - 1 - np.abs(length - 1 - np.abs(places))


def test_evaluation_judges_by_the_mean(rng: np.random.Generator) -> None:
    net = models.build("cnn2", (16, 16, 3), classes=3, seed=1)
    x, labels = rng.random((40, 16, 16, 3), dtype="float32"), rng.integers(3, size=40)
    result = evaluate(net, (x, labels), batch_size=7, flip=True)
    logits = (net.forward(x) + net.forward(np.flip(x, axis=2).copy())) / 2
    assert result.loss == pytest.approx(float(ops.softmax_cross_entropy(logits, labels)[0]), rel=1e-5)
    assert result.accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean())
    assert abs(evaluate(net, (x, labels)).loss - result.loss) > 1e-4
    shifted = evaluate(net, (x, labels), batch_size=7, shift=2)
    logits = logits_of(net, x, shift=2)
    assert shifted.loss == pytest.approx(float(ops.softmax_cross_entropy(logits, labels)[0]), rel=1e-5)


def test_training_with_test_flips_validates_with_them(
    make_trainer: Callable[..., Trainer], loaders: tuple[Loader, Loader]
) -> None:
    plain, flipped = make_trainer(epochs=1), make_trainer(epochs=1, test_flip=True)
    plain.train(*loaders)
    flipped.train(*loaders)
    assert_same_weights(plain, flipped)
    assert flipped.history[0].val_loss == evaluate(plain.net, loaders[1], flip=True).loss != plain.history[0].val_loss


def test_samples_that_are_no_pictures_cannot_be_mirrored() -> None:
    net = models.build("cnn2", (16, 16, 3), classes=3)
    for view in ({"flip": True}, {"shift": 1}):
        with pytest.raises(ShapeError, match=r"only pictures .* can be mirrored or shifted; .* have shape \(2, 3\)"):
            logits_of(net, np.zeros((2, 3)), **view)


def test_pictures_are_shifted_by_less_than_their_smaller_side() -> None:
    net, x = models.build("cnn2", (12, 16, 3), classes=3), np.zeros((2, 12, 16, 3), "float32")
    assert logits_of(net, x, shift=11).shape == (2, 3)
    for pixels in (12, -1):
        with pytest.raises(ShapeError, match=f"pictures of 12×16 pixels can be shifted by 0 to 11; got {pixels}"):
            logits_of(net, x, shift=pixels)
