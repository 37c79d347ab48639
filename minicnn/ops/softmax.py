"""Softmax and cross-entropy: logits to probabilities to a loss in nats, and the gradient of the whole.

Shapes: logits, probabilities, dlogits, targets (N, K) with K classes; labels (N,) whole numbers 0 … K−1.
The target is the one-hot label, softened by ε (label smoothing, Szegedy et al. 2016 §7):  q = (1 − ε)·onehot + ε/K.
Source: document 003 §4, corrected (the sum runs over the classes, the mean over the samples); document 004 §4.2.
"""

from __future__ import annotations

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import ShapeError, UsageError
from minicnn.ops.windows import require_shape


def require_labels(labels: Array, samples: int, classes: int) -> None:
    """Raise unless `labels` are `samples` whole numbers in 0 … classes−1.

    Values are looked at on the host only: reading them back from a GPU would make every step wait for it.
    """
    if not hasattr(labels, "dtype"):
        raise UsageError(f"labels are a {type(labels).__name__}: give an integer array, such as numpy.array(labels)")
    _require_samples(samples)
    if labels.shape != (samples,):
        raise ShapeError(f"labels of shape {labels.shape} do not fit {samples} rows of logits: give one label a row")
    if labels.dtype.kind not in "iu":
        raise UsageError(f"labels have dtype {labels.dtype}: give the class numbers as integers, not one-hot rows")
    if isinstance(labels, np.ndarray) and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise UsageError(f"label {wrong} is none of the {classes} classes 0 … {classes - 1}")


def _check_softmax(logits: Array) -> None:
    require_shape(logits.ndim == 2, "softmax", logits=logits.shape)


def _check_softmax_cross_entropy(logits: Array, labels: Array, label_smoothing: float = 0.0) -> None:
    require_shape(logits.ndim == 2, "softmax_cross_entropy", logits=logits.shape)
    require_labels(labels, *logits.shape)


def _check_softmax_cross_entropy_backward(probabilities: Array, labels: Array, label_smoothing: float = 0.0) -> None:
    require_shape(probabilities.ndim == 2, "softmax_cross_entropy_backward", probabilities=probabilities.shape)
    require_labels(labels, *probabilities.shape)


def _check_soft_target_cross_entropy(logits: Array, targets: Array) -> None:
    fits = logits.ndim == 2 and logits.shape == targets.shape
    require_shape(fits, "soft_target_cross_entropy", logits=logits.shape, targets=targets.shape)
    _require_samples(len(logits))


def _check_soft_target_cross_entropy_backward(probabilities: Array, targets: Array) -> None:
    shapes = {"probabilities": probabilities.shape, "targets": targets.shape}
    fits = probabilities.ndim == 2 and probabilities.shape == targets.shape
    require_shape(fits, "soft_target_cross_entropy_backward", **shapes)


def _require_samples(samples: int) -> None:
    if samples == 0:
        raise ShapeError("a batch without samples has no mean loss")


@accelerated(_check_softmax)
def softmax(logits: Array) -> Array:
    """Turn each row of logits into probabilities: p_k = e^(z_k) / Σ_j e^(z_j).

    logits: (N, K). Returns probabilities like logits, rows summing to 1. The row's maximum is taken off first: that
    changes nothing in the quotient, and e^(z − max) ≤ 1 cannot overflow.
    """
    xp = array_module(logits)
    exponentials = xp.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@accelerated(_check_softmax_cross_entropy)
def softmax_cross_entropy(logits: Array, labels: Array, label_smoothing: float = 0.0) -> tuple[Array, Array]:
    """Compare predicted with true classes: L = mean over n of −Σ_k q_k·log p_k, with p = softmax(logits).

    logits: (N, K). labels: (N,) integers. label_smoothing: ε in [0, 1]. Returns (loss, one number in nats and in
    logits' dtype; probabilities (N, K)). log p_k = z_k − max − log Σ e^(z_j − max) is exact where p_k itself is 0.
    Raises ShapeError or UsageError for labels that are not N class numbers.
    """
    xp = array_module(logits)
    n, k = logits.shape
    log_probabilities = _log_softmax(logits)
    of_label = log_probabilities[xp.arange(n), labels]
    of_all = log_probabilities.sum(axis=1)
    loss = -((1 - label_smoothing) * of_label + label_smoothing / k * of_all).mean()
    return loss, xp.exp(log_probabilities)


@accelerated(_check_softmax_cross_entropy_backward)
def softmax_cross_entropy_backward(probabilities: Array, labels: Array, label_smoothing: float = 0.0) -> Array:
    """Return the gradient of the mean loss at the logits: dlogits = (p − q) / N.

    probabilities: (N, K). labels: (N,) integers. label_smoothing: ε as in the forward pass.
    Returns dlogits like probabilities. Raises as `softmax_cross_entropy`.
    Source: document 004 §4.2, corrected (it printed ∂L/∂Ŷ = ∂L/∂Ŷ ⊙ (Ŷ − Y)).
    """
    xp = array_module(probabilities)
    n, k = probabilities.shape
    one_hot = xp.arange(k) == labels.reshape(n, 1)
    target = (1 - label_smoothing) * one_hot.astype(probabilities.dtype) + label_smoothing / k
    return (probabilities - target) / n


@accelerated(_check_soft_target_cross_entropy)
def soft_target_cross_entropy(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Compare predictions with targets that are numbers: L = mean over n of −Σ_k t_k·log p_k, with p = softmax(logits).

    logits: (N, K). targets: t (N, K) in logits' dtype, at least 0: the probabilities that are wanted (Σ_k t_k = 1), or
    those times the weight of a sample and of a class. Returns (loss, one number in nats; probabilities (N, K)).
    Raises ShapeError for targets of another shape.
    """
    xp = array_module(logits)
    log_probabilities = _log_softmax(logits)
    loss = -(targets * log_probabilities).sum(axis=1).mean()
    return loss, xp.exp(log_probabilities)


@accelerated(_check_soft_target_cross_entropy_backward)
def soft_target_cross_entropy_backward(probabilities: Array, targets: Array) -> Array:
    """Return the gradient of that mean loss at the logits: dlogits = (p · Σ_k t_k − t) / N.

    probabilities: p (N, K). targets: t (N, K). Returns dlogits like probabilities. Where Σ_k t_k = 1 this is
    (p − t) / N, as for labels.
    """
    return (probabilities * targets.sum(axis=1, keepdims=True) - targets) / len(probabilities)


def _log_softmax(logits: Array) -> Array:
    """Return log p (N, K), which is exact where p itself is 0: z_k − max − log Σ_j e^(z_j − max)."""
    xp = array_module(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
