"""How good predictions are: formulas over the confusion matrix, and the rank of the true class among the logits.

Shapes: K classes; confusion (K, K) integers, confusion[i, j] = images of class i that were taken for class j. A
quotient without anything in its denominator (a class that was never predicted, or never shown) counts as 0.
"""

from __future__ import annotations

import numpy as np

from minicnn.backend import Array, array_module, device_of, mixed_devices


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count every pair of true and predicted class: M[i, j] = #{n : labels[n] = i, predictions[n] = j}.

    labels, predictions: (N,) integers 0 … K−1. classes: K. Returns (K, K) int64.
    """
    pairs = labels.astype(np.int64) * classes + predictions
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> float:
    """Return the share of all images that were taken for what they are: Σ_k M[k, k] / Σ_ij M[i, j]."""
    return float(_share(np.trace(confusion), confusion.sum()))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Return, of the images taken for class k, the share that is of class k: M[k, k] / Σ_i M[i, k]; (K,) float64."""
    return _share(np.diagonal(confusion), confusion.sum(axis=0))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Return, of the images of class k, the share taken for class k: M[k, k] / Σ_j M[k, j]; (K,) float64."""
    return _share(np.diagonal(confusion), confusion.sum(axis=1))


def f1(confusion: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of precision and recall by class: 2·M[k, k] / (Σ_i M[i, k] + Σ_j M[k, j]); (K,) float64.

    Source: van Rijsbergen 1979, "Information retrieval", chapter 7, with equal weights.
    """
    return _share(2 * np.diagonal(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


def macro(by_class: np.ndarray) -> float:
    """Return the plain mean over the classes, rare ones counting as much as common ones: Σ_k v[k] / K.

    by_class: v (K,), all classes that the network knows. One without any image counts as 0 and so lowers the mean,
    which is scikit-learn's for labels=range(K) and zero_division=0. Left to itself, scikit-learn takes the mean over
    the classes that were shown or predicted alone: figures for different images then average over different classes.
    """
    return float(by_class.mean())


def rank_of_label(logits: Array, labels: Array) -> Array:
    """Return how many classes come before the true one: 0 where it is the prediction, below 5 where it is in the top 5.

        rank[n] = #{k : z[n, k] > z[n, y]} + #{k < y : z[n, k] = z[n, y]},  y = labels[n]

    logits: z (N, K). labels: (N,) integers. Returns (N,) integers. Equal logits count in the order of their classes,
    as argmax has it, so that rank 0 and argmax agree. Raises DeviceError when the two live on two devices.
    """
    if device_of(logits) != device_of(labels):
        raise mixed_devices("rank_of_label", {"logits": logits, "labels": labels})
    xp = array_module(logits)
    n, k = logits.shape
    of_label = logits[xp.arange(n), labels].reshape(n, 1)
    earlier = xp.arange(k) < labels.reshape(n, 1)
    return ((logits > of_label) | (earlier & (logits == of_label))).sum(axis=1)


class RunningTotals:
    """Loss and accuracy of the batches so far, summed where the logits live.

    A GPU is only waited for in `read`: adding to the sums is queued behind the step like any other kernel.
    """

    def __init__(self) -> None:
        self.images = 0
        self._loss: Array | float = 0.0
        self._correct: Array | int = 0

    def add(self, loss: Array, logits: Array, labels: Array) -> None:
        """Add a batch. loss: its mean, one number. logits: (N, K). labels: (N,) integers."""
        self.images += len(labels)
        self._loss = self._loss + loss.astype("float64") * len(labels)
        self._correct = self._correct + (logits.argmax(axis=1) == labels).sum()

    def read(self) -> tuple[float, float]:
        """Return (mean loss in nats, accuracy in 0 … 1) over all images so far; waits for the device."""
        images = max(self.images, 1)
        return float(self._loss) / images, int(self._correct) / images


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
