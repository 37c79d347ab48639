"""Are validation pictures in the training part too? Then they measure memory, not understanding."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject
from minicnn.inspection.doctor.survey import shrunk

NEAR = 0.22  # root mean square difference of two thumbnails, in deviations of their own: see `same_pictures`
MANY = 0.01  # share of the validation pictures
PLAIN = 1e-3  # of the largest number, below which a picture's deviation is none
COARSE, AT_ONCE = 8, 1024  # side of the thumbnails that are compared each with each, pixels; rows of them at a time


def duplicates(subject: Subject) -> Finding:
    """Compare a thumbnail of each validation picture with those of all training pictures.

    A picture that was saved again, in another size, a little brighter or cut by a pixel counts as the same; one that
    was cut by more, or mirrored, is not found. Source: Barz & Denzler 2020, "Do we train on test data?", which found
    such pictures in CIFAR-10.
    """
    train, validation = subject.train_survey, subject.validation_survey
    if not len(train.thumbnails):
        return Finding(Verdict.FINE, "the samples are no pictures, and were not compared")
    pairs = same_pictures(validation.thumbnails, train.thumbnails)
    share = len(pairs) / len(validation)
    numbers = {"duplicates": len(pairs), "share": share}
    figure = f"{len(pairs):,} of {len(validation):,} validation pictures are among {len(train):,} for training"
    if not pairs:
        return Finding(Verdict.FINE, figure, numbers=numbers)
    here, there = next(iter(pairs.items()))
    both = (validation.names[here] if validation.names else f"number {here}",
            train.names[there] if train.names else f"number {there}")  # fmt: skip
    other = sum(validation.labels[a] != train.labels[b] for a, b in pairs.items())
    figure += f" ({both[0]} is {both[1]})" + (f", {other:,} under another label" if other else "")
    verdict = Verdict.BROKEN if share > MANY else Verdict.LOOK
    return Finding(verdict, figure, "take them out of one part: the accuracy on them is no measure", numbers)


def same_pictures(some: np.ndarray, others: np.ndarray) -> dict[int, int]:
    """Return which of `some` thumbnails (N, h, w, C) is the same picture as which of `others` (M, h, w, C), by place.

    Each thumbnail is taken less its mean and in its own deviations, whatever its brightness and contrast. The likest of
    all others is found at COARSE pixels, by the largest product; and judged in full. A picture of a single colour is
    the same as none.
    """
    full = [_in_own_deviations(part) for part in (some, others)]
    coarse = [_unit_rows(shrunk(part, COARSE)) for part in full]
    found: dict[int, int] = {}
    for first in range(0, len(some), AT_ONCE):
        likest = (coarse[0][first : first + AT_ONCE] @ coarse[1].T).argmax(axis=1)
        for place, other in enumerate(likest.tolist(), start=first):
            difference = float(np.sqrt(((full[0][place] - full[1][other]) ** 2).mean()))
            if difference < NEAR and full[0][place].any():
                found[place] = other
    return found


def _in_own_deviations(thumbnails: np.ndarray) -> np.ndarray:
    """Return each less its mean, by its deviation; one that has a single colour as zeros."""
    centred = thumbnails - thumbnails.mean(axis=(1, 2, 3), keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=(1, 2, 3), keepdims=True))
    plain = deviation < PLAIN * float(np.abs(thumbnails).max())
    return np.where(plain, 0, centred / np.where(plain, 1, deviation)).astype(np.float32)


def _unit_rows(thumbnails: np.ndarray) -> np.ndarray:
    """Return each as a row (N, D) of length 1."""
    rows = thumbnails.reshape(len(thumbnails), -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
