"""The mistakes that a network was surest of, and the classes that it confuses."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from minicnn import Dense, Flatten, Sequential, ops
from minicnn.inspection.mistakes import confused_pairs, judge, worst_mistakes
from minicnn.training.batches import ArrayBatches
from minicnn.training.normalization import Normalization


def test_judge_gives_every_picture_its_probabilities(rng: np.random.Generator) -> None:
    net = Sequential([Flatten(), Dense(4)], input_shape=(5, 5, 3), seed=0)
    pixels = rng.integers(0, 256, (11, 5, 5, 3), dtype=np.uint8)
    labels = np.arange(11) % 4
    probabilities, judged = judge(net, ArrayBatches(pixels, labels, 4), Normalization())
    np.testing.assert_array_equal(judged, labels)
    x = pixels.astype(np.float32) / 255
    np.testing.assert_allclose(probabilities, ops.softmax(net.forward(x)), atol=1e-6)
    flipped, _ = judge(net, ArrayBatches(pixels, labels, 4), Normalization(), flip=True)
    mirrored = np.ascontiguousarray(x[:, :, ::-1])
    np.testing.assert_allclose(flipped, ops.softmax((net.forward(x) + net.forward(mirrored)) / 2), atol=1e-6)


def test_mistakes_and_pairs(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet(np.ones(6), 200)
    labels = rng.integers(0, 6, 200)
    guesses = probabilities.argmax(1)
    mistakes = worst_mistakes(probabilities, labels, 1000)
    assert len(mistakes) == (guesses != labels).sum()
    confidences = [mistake.confidence for mistake in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    for mistake in mistakes:
        assert mistake.truth == labels[mistake.place] != mistake.guess == guesses[mistake.place]
    assert worst_mistakes(probabilities, labels, 3) == mistakes[:3]

    confusion = confusion_matrix(labels, guesses)
    np.fill_diagonal(confusion, 0)
    pairs = confused_pairs(probabilities, labels, 10)
    assert [len(pair.places) for pair in pairs] == sorted(confusion.ravel(), reverse=True)[:10]
    for pair in pairs:
        assert len(pair.places) == confusion[pair.truth, pair.guess]
        assert all(labels[n] == pair.truth and guesses[n] == pair.guess for n in pair.places)
        sure = probabilities[list(pair.places)].max(1)
        assert (np.diff(sure) <= 0).all()


def test_a_network_without_mistakes() -> None:
    probabilities = np.eye(3)
    assert worst_mistakes(probabilities, np.arange(3), 5) == []
    assert confused_pairs(probabilities, np.arange(3), 5) == []
