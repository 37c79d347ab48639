"""Softmax and cross-entropy in decimal arithmetic of 50 digits, one sample at a time; nothing there can overflow."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import numpy as np


def _row_of_probabilities(row: np.ndarray) -> list[Decimal]:
    exponentials = [Decimal(float(z)).exp() for z in row]
    total = sum(exponentials)
    return [e / total for e in exponentials]


def _target(label: int, classes: int, label_smoothing: float) -> list[Decimal]:
    smoothing = Decimal(label_smoothing)
    return [(1 - smoothing) * (k == label) + smoothing / classes for k in range(classes)]


def softmax(logits: np.ndarray) -> np.ndarray:
    """p_k = e^(z_k) / Σ_j e^(z_j)."""
    with localcontext(Context(prec=50)):
        return np.array([[float(p) for p in _row_of_probabilities(row)] for row in logits])


def softmax_cross_entropy(logits: np.ndarray, labels: np.ndarray, label_smoothing: float = 0.0) -> float:
    """Mean over the samples of −Σ_k q_k · log p_k."""
    with localcontext(Context(prec=50)):
        total = Decimal(0)
        for row, label in zip(logits, labels, strict=True):
            target = _target(label, len(row), label_smoothing)
            total -= sum(q * p.ln() for q, p in zip(target, _row_of_probabilities(row), strict=True) if q)
        return float(total / len(labels))


def softmax_cross_entropy_backward(logits: np.ndarray, labels: np.ndarray, label_smoothing: float = 0.0) -> np.ndarray:
    """(p − q) / N."""
    gradient = np.zeros(logits.shape)
    with localcontext(Context(prec=50)):
        for n, (row, label) in enumerate(zip(logits, labels, strict=True)):
            target = _target(label, len(row), label_smoothing)
            gradient[n] = [
                float((p - q) / len(labels)) for p, q in zip(_row_of_probabilities(row), target, strict=True)
            ]
    return gradient


def soft_target_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean over the samples of −Σ_k t_k · log p_k."""
    with localcontext(Context(prec=50)):
        total = Decimal(0)
        for row, target in zip(logits, targets, strict=True):
            terms = zip(target, _row_of_probabilities(row), strict=True)
            total -= sum(Decimal(float(t)) * p.ln() for t, p in terms if t)
        return float(total / len(targets))


def soft_target_cross_entropy_backward(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """∂L/∂z_j = Σ_k t_k·(p_j − [j = k]) / N."""
    gradient = np.zeros(logits.shape)
    with localcontext(Context(prec=50)):
        for n, (row, target) in enumerate(zip(logits, targets, strict=True)):
            for j, p in enumerate(_row_of_probabilities(row)):
                slope = sum(Decimal(float(t)) * (p - (j == k)) for k, t in enumerate(target))
                gradient[n, j] = float(slope / len(targets))
    return gradient
