"""What training makes small."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import UsageError
from minicnn.layers.passes import read_only


class SoftmaxCrossEntropy:
    """Softmax and cross-entropy in one: the mean over the batch of −Σ q·log softmax(logits), in nats.

    label_smoothing: ε in [0, 1): the target q is (1 − ε)·onehot + ε/K. After `forward`, `probabilities` (N, K) holds
    the softmax. Source: document 003 §4 and 004 §4.2, corrected; Szegedy et al. 2016 §7 for the smoothing.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing < 1:
            raise UsageError(f"label_smoothing {label_smoothing} should be at least 0 and below 1")
        self.label_smoothing = label_smoothing
        self.probabilities: Array | None = None
        self.labels: Array | None = None

    def forward(self, logits: Array, labels: Array) -> Array:
        """logits: (N, K). labels: (N,) integers 0 … K−1. Returns the mean loss, one number in nats."""
        loss, probabilities = ops.softmax_cross_entropy(logits, labels, self.label_smoothing)
        self.labels, self.probabilities = labels.copy(), read_only(probabilities)  # to look at, not to change
        return loss

    def backward(self) -> Array:
        """Return dlogits (N, K) = (softmax(logits) − q) / N. Raises RuntimeError unless forward came before."""
        labels, self.labels = self.labels, None
        if labels is None:
            raise RuntimeError(
                "SoftmaxCrossEntropy: backward needs a forward pass before it, and each forward pass allows one"
            )
        return ops.softmax_cross_entropy_backward(self.probabilities, labels, self.label_smoothing)
