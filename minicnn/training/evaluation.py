"""How well a network does on images: one pass without learning, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.backend import Array, array_module, to_numpy
from minicnn.errors import ShapeError, UsageError
from minicnn.layers import Sequential
from minicnn.training import metrics
from minicnn.training.batches import as_batches
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization


@dataclass(frozen=True)
class Evaluation:
    """What a network made of a set of images.

    loss: mean cross-entropy in nats, without label smoothing, so that runs can be compared. top5_accuracy: share of
    the images whose class is among the five likeliest (all of them where there are no more than five classes).
    confusion: (K, K) integers, row = true class, column = predicted class.
    """

    loss: float
    top5_accuracy: float
    confusion: np.ndarray

    @property
    def images(self) -> int:
        """How many images were looked at."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the images that were taken for what they are, 0 … 1."""
        return metrics.accuracy(self.confusion)

    @property
    def f1(self) -> float:
        """Mean of F1 over all classes, 0 … 1; a class without any image counts as 0 (see `metrics.macro`)."""
        return metrics.macro(metrics.f1(self.confusion))

    def to_json(self, classes: Sequence[str], class_names: Sequence[str]) -> dict[str, Any]:
        """Return all figures in plain JSON values; precision, recall and f1 are means over all classes."""
        precision, recall, f1 = (formula(self.confusion) for formula in (metrics.precision, metrics.recall, metrics.f1))
        shown = self.confusion.sum(axis=1)
        return {
            "images": self.images,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "top5_accuracy": self.top5_accuracy,
            "precision": metrics.macro(precision),
            "recall": metrics.macro(recall),
            "f1": metrics.macro(f1),
            "per_class": [
                {
                    "class": folder,
                    "name": name,
                    "images": int(shown[k]),
                    "precision": float(precision[k]),
                    "recall": float(recall[k]),
                    "f1": float(f1[k]),
                }
                for k, (folder, name) in enumerate(zip(classes, class_names, strict=True))
            ],
            "confusion_matrix": self.confusion.tolist(),
        }


def logits_of(net: Sequential, x: Array, flip: bool = False, shift: int = 0) -> Array:
    """Return the network's logits (N, K) for x (N, …), or their mean over several views of it.

    A picture, its mirror and the picture shifted by a pixel or two show the same thing: where the network judges them
    differently, the mean is right more often. flip: with the mirror of each view. shift: pixels by which the picture is
    also moved up and left, and down and right, mirrored at its edges; each of these two counts half as much as the
    picture itself. Source: Krizhevsky et al. 2012 §4.1; Jordan 2024, arXiv 2404.00498, §3.5.
    Raises ShapeError for samples that are no pictures, or too small for the shift.
    """
    if not (flip or shift):
        return net.forward(x)
    if x.ndim != 4:
        raise ShapeError(f"only pictures (N, H, W, C) can be mirrored or shifted; these samples have shape {x.shape}")
    if not 0 <= shift < min(x.shape[1:3]):
        height, width = x.shape[1:3]
        raise ShapeError(
            f"pictures of {height}×{width} pixels can be shifted by 0 to {min(height, width) - 1}; got {shift}"
        )
    xp = array_module(x)
    views = [(x, 1.0)]
    if shift:
        height, width = x.shape[1:3]
        padded = xp.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)), "reflect")
        moved = [padded[:, start : start + height, start : start + width] for start in (0, 2 * shift)]
        views = [(x, 0.5), *((view, 0.25) for view in moved)]
    if flip:
        views = [(side, weight / 2) for view, weight in views for side in (view, view[:, :, ::-1])]
    return sum(weight * net.forward(xp.ascontiguousarray(view)) for view, weight in views)


@np.errstate(over="ignore", invalid="ignore")  # what overflows shows in the loss: NumPy need not warn as well
def evaluate(
    net: Sequential, samples: object, normalization: Normalization | None = None, device: str = "cpu",
    batch_size: int = 64, flip: bool = False, among: Sequence[int] | None = None, shift: int = 0,
) -> Evaluation:  # fmt: skip
    """Run every sample through `net`, without dropout and without learning.

    samples: two arrays (x, labels), a list of batches, or a Loader, as for `Trainer.train`. normalization: bytes to
    floats. device: where net is, "cpu" or "gpu". batch_size: of arrays. flip, shift: judge by the mean of the logits of
    several views of each picture, see `logits_of`. among: the classes that may be chosen, by number, of which all
    samples are; the figures are of these alone, in this order. Returns the figures; a GPU is waited for once, at the
    end. Raises UsageError when there is no sample, or no image could be read; ShapeError as `logits_of`.
    """
    assert net.output_shape is not None
    classes = net.output_shape[0]
    if among is not None:
        chosen, place_of = np.array(among), np.zeros(classes, dtype=np.int64)
        classes, place_of[chosen] = len(chosen), np.arange(len(chosen))
    truth: list[Array] = []
    predictions: list[Array] = []
    ranks: list[Array] = []
    loss: Array | float = 0.0
    batches = as_batches(samples, batch_size)
    for x, labels in feed(batches, 0, normalization or Normalization(), device):
        logits = logits_of(net, x, flip, shift)
        if among is not None:
            xp = array_module(logits)
            logits, labels = xp.ascontiguousarray(logits[:, xp.asarray(chosen)]), xp.asarray(place_of)[labels]
        batch_loss, _ = ops.softmax_cross_entropy(logits, labels)
        loss = loss + batch_loss.astype("float64") * len(labels)
        truth.append(labels)
        predictions.append(logits.argmax(axis=1))
        ranks.append(metrics.rank_of_label(logits, labels))
    if not truth:
        raise UsageError("none of the images could be read, so there is nothing to evaluate")
    true_class, predicted, rank = (_on_host(parts) for parts in (truth, predictions, ranks))
    confusion = metrics.confusion_matrix(true_class, predicted, classes)
    return Evaluation(float(loss) / len(true_class), float((rank < 5).mean()), confusion)


def require_finite(evaluation: Evaluation, where: str) -> None:
    """Raise UsageError when the loss of `evaluation` is no number: the weights named by `where` have diverged."""
    if not isfinite(evaluation.loss):
        raise UsageError(f"{where} gives a loss of {evaluation.loss}: its weights have diverged, train again")


def _on_host(parts: list[Array]) -> np.ndarray:
    return to_numpy(array_module(parts[0]).concatenate(parts))
