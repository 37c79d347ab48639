"""mixup and CutMix: each sample is mixed with another one, and so are their labels.

A network that has to say "70 % cat, 30 % dog" of a picture made of both cannot learn pictures by heart, and grows less
sure of itself between the classes. Two samples a and b are mixed by a share λ, and their losses too:
L = λ·L(label of a) + (1 − λ)·L(label of b), which is the loss for the target λ·onehot(a) + (1 − λ)·onehot(b).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt

import numpy as np

from minicnn.backend import Array, array_module
from minicnn.errors import ShapeError, UsageError

Mixed = tuple[Array, Array, Array, float]  # x, labels (N,) of the larger share, the other labels (N,), that share
_STREAM = 0x6D6978  # tells these random numbers from those of the order, which begin with the same seed


class Mixing:
    """Mixes the samples of each batch with one another.

    mixup: α of the shares λ ~ Beta(α, α) of mixed pictures, x = λ·a + (1 − λ)·b; such as 0.2. cutmix: α likewise of
    pictures with a part of another one pasted in, whose area is 1 − λ; such as 1. 0 leaves one out; of both, one is
    drawn for each batch. seed: λ, partners and places follow from it, the epoch and the batch's number alone.
    Source: Zhang et al. 2018, "mixup: Beyond empirical risk minimization"; Yun et al. 2019, "CutMix".
    Raises UsageError for numbers below 0, or none above it.
    """

    def __init__(self, mixup: float = 0.0, cutmix: float = 0.0, seed: int = 0) -> None:
        if not (0 <= mixup < float("inf") and 0 <= cutmix < float("inf")) or mixup == cutmix == 0:
            raise UsageError(f"mixup and cutmix are at least 0 and not both 0; got {mixup} and {cutmix}")
        self.mixup, self.cutmix, self.seed = mixup, cutmix, seed

    def batches(self, batches: Iterable[tuple[Array, Array]], epoch: int) -> Iterator[Mixed]:
        """Yield the batches (x, labels) of an epoch mixed, each as (x, labels, others, share of labels)."""
        for number, (x, labels) in enumerate(batches):
            yield self(x, labels, np.random.default_rng([_STREAM, self.seed, epoch, number]))

    def __call__(self, x: Array, labels: Array, rng: np.random.Generator) -> Mixed:
        """Mix a batch with itself in another order. x: (N, …), unchanged; cutmix takes (N, H, W, C). labels: (N,)."""
        pastes = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if pastes else self.mixup
        share = float(rng.beta(alpha, alpha))
        partners = array_module(x).asarray(rng.permutation(len(x)))
        mixed, share = _pasted(x, partners, share, rng) if pastes else (_blended(x, partners, share), share)
        others = labels[partners]
        return (mixed, labels, others, share) if share >= 0.5 else (mixed, others, labels, 1 - share)


def _blended(x: Array, partners: Array, share: float) -> Array:
    return share * x + (1 - share) * x[partners]


def _pasted(x: Array, partners: Array, share: float, rng: np.random.Generator) -> tuple[Array, float]:
    """Paste a box of 1 − share of the partner's area where it lies in it; return the share that is left, too.

    The box's middle is anywhere in the picture, and what reaches beyond the border is cut off (Yun et al. 2019, eq. 2).
    """
    if x.ndim != 4:
        raise ShapeError(f"cutmix cuts pictures (N, H, W, C); these samples have shape {x.shape}: use mixup")
    height, width = x.shape[1:3]
    rows, columns = (_span(length, sqrt(1 - share), rng) for length in (height, width))
    mixed = x.copy()
    mixed[:, rows, columns] = x[partners, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - pasted / (height * width)


def _span(length: int, part: float, rng: np.random.Generator) -> slice:
    middle, size = int(rng.integers(length)), int(length * part)
    return slice(max(middle - size // 2, 0), min(middle - size // 2 + size, length))
