"""Dropout, whose mask is one hash after the other in Python's whole numbers."""

from __future__ import annotations

import numpy as np


def _murmur3_finalizer(word: int) -> int:
    word ^= word >> 16
    word = word * 0x85EBCA6B % 2**32
    word ^= word >> 13
    word = word * 0xC2B2AE35 % 2**32
    return word ^ word >> 16


def dropout_mask(shape: tuple[int, ...], rate: float, seed: int) -> np.ndarray:
    """Keep element i where the hash of (seed, i) is at least rate · 2³²."""
    low, high = seed % 2**32, seed // 2**32
    size = int(np.prod(shape))
    bits = [_murmur3_finalizer(_murmur3_finalizer(i ^ low) ^ high) for i in range(size)]
    return np.array([b >= int(rate * 2**32) for b in bits]).reshape(shape)


def dropout(x: np.ndarray, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Zero what the mask drops, divide the rest by 1 − rate."""
    keep = dropout_mask(x.shape, rate, seed)
    return np.where(keep, x.astype("float64") / (1 - rate), 0.0), keep


def dropout_backward(dy: np.ndarray, keep: np.ndarray, rate: float) -> np.ndarray:
    """Zero the gradient of what was dropped, divide the rest by 1 − rate."""
    return np.where(keep, dy.astype("float64") / (1 - rate), 0.0)
