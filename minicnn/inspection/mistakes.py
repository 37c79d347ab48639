"""What a network gets wrong: the mistakes that it was surest of, and the classes that it takes for one another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn import ops
from minicnn.backend import to_numpy
from minicnn.layers import Sequential
from minicnn.training.batches import Batches
from minicnn.training.evaluation import logits_of
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization


class Mistake(NamedTuple):
    """A picture by its place among those judged, its class, and what it was taken for, with what probability."""

    place: int
    truth: int
    guess: int
    confidence: float


class ConfusedPair(NamedTuple):
    """Two classes, and the places, among all that were judged, of the pictures of `truth` taken for `guess`."""

    truth: int
    guess: int
    places: tuple[int, ...]


def judge(
    net: Sequential, batches: Batches, normalization: Normalization, device: str = "cpu", flip: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities (N, K) float32 that a network gives each picture, and the labels (N,) of the pictures.

    flip: judge by the mean of the logits of each picture and its mirror.
    """
    rows, labels = [], []
    for x, of_batch in feed(batches, 0, normalization, device):
        rows.append(to_numpy(ops.softmax(logits_of(net, x, flip))))
        labels.append(to_numpy(of_batch))
    return np.concatenate(rows), np.concatenate(labels)


def worst_mistakes(probabilities: np.ndarray, labels: np.ndarray, most: int) -> list[Mistake]:
    """Return the pictures that were taken for another class with the highest probability, at most `most` of them."""
    guesses, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    return [Mistake(int(n), int(labels[n]), int(guesses[n]), float(confidence[n])) for n in wrong]


def confused_pairs(probabilities: np.ndarray, labels: np.ndarray, most: int) -> list[ConfusedPair]:
    """Return the pairs of classes with the most pictures of the one taken for the other; in each, the surest first."""
    guesses, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    pairs: dict[tuple[int, int], list[int]] = {}
    for place in np.argsort(-confidence, kind="stable").tolist():
        if guesses[place] != labels[place]:
            pairs.setdefault((int(labels[place]), int(guesses[place])), []).append(place)
    largest = sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:most]
    return [ConfusedPair(*classes, tuple(places)) for classes, places in largest]
