"""Softmax and cross-entropy for CuPy arrays. Shapes as in `minicnn.ops.softmax`; the kernels stand in softmax.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import blocks, elements, kernels_take, launch


def softmax(logits: Array) -> Array:
    """Turn each row of logits into probabilities: the twin of `minicnn.ops.softmax.softmax`."""
    if not kernels_take(logits):
        return NotImplemented
    xp = array_module(logits)
    probabilities = xp.empty(logits.shape, dtype=logits.dtype)
    arguments = (xp.ascontiguousarray(logits), probabilities, logits.shape[1])
    launch("softmax.cu", "softmax", blocks(*logits.shape), arguments, real=logits.dtype)
    return probabilities


def softmax_cross_entropy(logits: Array, labels: Array, label_smoothing: float = 0.0) -> tuple[Array, Array]:
    """Compare predicted with true classes: the twin of `minicnn.ops.softmax.softmax_cross_entropy`."""
    n, k = logits.shape
    if not kernels_take(logits):
        return NotImplemented
    xp = array_module(logits)
    probabilities, losses = xp.empty((n, k), dtype=logits.dtype), xp.empty(n, dtype=logits.dtype)
    arguments = (xp.ascontiguousarray(logits), _labels(labels), probabilities, losses, k, *_shares(label_smoothing, k))
    launch("softmax.cu", "softmax_cross_entropy", blocks(n, k), arguments, real=logits.dtype)
    return losses.mean(), probabilities


def softmax_cross_entropy_backward(probabilities: Array, labels: Array, label_smoothing: float = 0.0) -> Array:
    """Return the mean loss's gradient: the twin of `minicnn.ops.softmax.softmax_cross_entropy_backward`."""
    n, k = probabilities.shape
    if not kernels_take(probabilities):
        return NotImplemented
    xp = array_module(probabilities)
    dlogits = xp.empty((n, k), dtype=probabilities.dtype)
    arguments = (
        xp.ascontiguousarray(probabilities), _labels(labels), dlogits, n * k, k, *_shares(label_smoothing, k), float(n)
    )  # fmt: skip
    launch("softmax.cu", "softmax_cross_entropy_backward", elements(n * k), arguments, real=probabilities.dtype)
    return dlogits


def _labels(labels: Array) -> Array:
    """Return the labels in the one dtype that the kernels read."""
    return array_module(labels).ascontiguousarray(labels).astype("int64", copy=False)


def _shares(label_smoothing: float, classes: int) -> tuple[float, float]:
    """Return what the target gives to the label alone, 1 − ε, and to every class, ε/K."""
    return 1.0 - label_smoothing, label_smoothing / classes
