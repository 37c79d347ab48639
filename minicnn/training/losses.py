"""What training makes small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicnn import ops
from minicnn.backend import Array, array_module, to_numpy
from minicnn.errors import UsageError
from minicnn.layers.passes import read_only
from minicnn.ops.softmax import require_labels


class SoftmaxCrossEntropy:
    """Softmax and cross-entropy in one: the mean over the batch of −Σ q·log softmax(logits), in nats.

    label_smoothing: ε in [0, 1): the target q is (1 − ε)·onehot + ε/K. class_weights: w (K,), at least 0, where some
    classes shall count for more than others: the loss is then Σ_n Σ_k −w_k·q_nk·log p_nk / Σ_n w_y, the weighted mean
    over the samples of labels y. After `forward`, `probabilities` (N, K) holds the softmax.
    Source: document 003 §4 and 004 §4.2, corrected; Szegedy et al. 2016 §7 for the smoothing; the weighted mean is
    PyTorch's. Raises UsageError for settings out of range.
    """

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | Array | None = None) -> None:
        if not 0 <= label_smoothing < 1:
            raise UsageError(f"label_smoothing {label_smoothing} should be at least 0 and below 1")
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else _checked(class_weights)
        self._weights_there: Array | None = None  # the same on the device of the logits
        self.probabilities: Array | None = None
        self.labels: Array | None = None
        self.targets: Array | None = None  # (N, K), where a label and ε do not say it all

    def forward(self, logits: Array, labels: Array, others: Array | None = None, share: float = 1.0) -> Array:
        """Return the mean loss, one number in nats.

        logits: (N, K). labels: (N,) integers 0 … K−1. others, share: the second labels (N,) of mixed samples, and the
        first ones' part λ in them; the loss is λ·L(labels) + (1 − λ)·L(others), see `mixing`.
        """
        plain = self.class_weights is None and others is None
        self.targets = None if plain else self._targets(logits, labels, others, share)
        if self.targets is None:
            loss, probabilities = ops.softmax_cross_entropy(logits, labels, self.label_smoothing)
        else:
            loss, probabilities = ops.soft_target_cross_entropy(logits, self.targets)
        self.labels, self.probabilities = labels.copy(), read_only(probabilities)  # to look at, not to change
        return loss

    def backward(self) -> Array:
        """Return dlogits (N, K) = (softmax(logits) − q) / N. Raises RuntimeError unless forward came before."""
        labels, self.labels = self.labels, None
        if labels is None:
            raise RuntimeError(
                "SoftmaxCrossEntropy: backward needs a forward pass before it, and each forward pass allows one"
            )
        if self.targets is None:
            return ops.softmax_cross_entropy_backward(self.probabilities, labels, self.label_smoothing)
        return ops.soft_target_cross_entropy_backward(self.probabilities, self.targets)

    def weight(self, labels: Array, others: Array | None = None, share: float = 1.0) -> Array | float:
        """Return what the mean over such a batch divides by: its samples N, or with class weights Σ_n w_y."""
        if self.class_weights is None:
            return float(len(labels))
        require_labels(labels, len(labels), len(self.class_weights))
        of_labels = self._weights_like(labels)[labels].sum()
        return of_labels if others is None else share * of_labels + (1 - share) * self.weight(others)

    def _targets(self, logits: Array, labels: Array, others: Array | None, share: float) -> Array:
        """Return t (N, K) for which mean_n −Σ_k t·log p is the loss."""
        targets = self._targets_of(logits, labels)
        return targets if others is None else share * targets + (1 - share) * self._targets_of(logits, others)

    def _targets_of(self, logits: Array, labels: Array) -> Array:
        """Return w_k·q_nk · N / Σ_n w_y, so that a plain mean over the samples is the weighted one."""
        n, k = logits.shape
        require_labels(labels, n, k)
        one_hot = (array_module(logits).arange(k) == labels.reshape(n, 1)).astype(logits.dtype)
        targets = (1 - self.label_smoothing) * one_hot + self.label_smoothing / k
        if self.class_weights is None:
            return targets
        if len(self.class_weights) != k:
            raise UsageError(f"{len(self.class_weights)} class weights do not fit {k} classes: give one for each")
        weights = self._weights_like(logits).astype(logits.dtype)
        return targets * weights * (n / weights[labels].sum())

    def _weights_like(self, array: Array) -> Array:
        """Return the class weights on the device of `array`, where they stay."""
        xp = array_module(array)
        if self._weights_there is None or array_module(self._weights_there) is not xp:
            self._weights_there = xp.asarray(self.class_weights)
        return self._weights_there


def balanced_weights(labels: Array, classes: int) -> np.ndarray:
    """Return weights with which all classes count alike, however rare their samples: w_k = N / (K · N_k).

    labels: (N,) integers 0 … K−1. classes: K. Returns (K,) float64. Source: King & Zeng 2001, "Logistic regression in
    rare events data", §3; scikit-learn's "balanced". Raises UsageError where a class has no sample.
    """
    counts = np.bincount(to_numpy(labels), minlength=classes)
    if not counts.all():
        raise UsageError(
            f"class {counts.argmin()} has no sample, so that no weight could make it count like the others"
        )
    return counts.sum() / (classes * counts)


def _checked(class_weights: Sequence[float] | Array) -> np.ndarray:
    given = class_weights if isinstance(class_weights, Sequence) else to_numpy(class_weights)
    weights = np.array(given, dtype="float64")
    if weights.ndim != 1 or not np.isfinite(weights).all() or not (weights >= 0).all() or not weights.any():
        raise UsageError(f"class weights are one number of at least 0 for each class, and not all 0; got {weights}")
    return weights
