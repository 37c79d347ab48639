"""Cross-validation: the training images dealt into K parts, of which each validates once what the others taught."""

from __future__ import annotations

import re

import numpy as np

from minicnn.data.splits import Splits
from minicnn.errors import UsageError


def fold_of(splits: Splits, fold: str, seed: int) -> Splits:
    """Return splits in which one part of the training images validates, and the others train.

    fold: "2/5" for the second of five parts. seed: of the dealing, the same for all folds of one cross-validation.
    The images that validated before are the part for a final test: no fold has seen them.
    Raises UsageError for another `fold`, or a class with fewer training images than there are parts.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", fold)
    number, folds = map(int, found.groups()) if found else (0, 0)
    if not (folds >= 2 and 1 <= number <= folds):
        raise UsageError(f"a fold is named as the second of five is, 2/5; got {fold!r}")
    train = splits.train
    counts = np.bincount(train.labels, minlength=len(train.classes))
    if counts.min() < folds:
        smallest = train.classes[counts.argmin()]
        raise UsageError(f"the class {smallest!r} has {counts.min()} training images: too few, with {folds} folds")
    part_of = stratified_folds(train.labels, folds, seed)
    validates = part_of == number - 1
    learnt, unseen = (train.subset(np.flatnonzero(chosen)) for chosen in (~validates, validates))
    learnt.skipped = train.skipped
    return Splits(learnt, unseen, splits.validation, splits.folder)


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return for each image the fold, 0 … folds−1, that it is dealt to: each class evenly, in random order.

    labels: (N,) integers. Returns (N,) int64. Of each class, and of all images, the folds' numbers differ by one at
    most. Source: Kohavi 1995, "A study of cross-validation and bootstrap for accuracy estimation and model selection".
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    part_of = np.empty(len(labels), dtype=np.int64)
    part_of[by_class] = np.arange(len(labels)) % folds  # dealt like cards, one class after the other
    return part_of
