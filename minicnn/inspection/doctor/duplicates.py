"""Are validation pictures in the training part too? Then they measure memory, not understanding."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject
from minicnn.inspection.doctor.survey import shrunk

NEAR = 0.03  # root mean square difference of two thumbnails, in deviations of all: a JPEG saved anew stays below
MANY = 0.01  # share of the validation pictures
COARSE, AT_ONCE = 8, 1024  # side of the thumbnails that are compared each with each, pixels; rows of them at a time


def duplicates(subject: Subject) -> Finding:
    """Compare a thumbnail of each validation picture with those of all training pictures.

    A picture that was saved again, or in another size, counts as the same; one that was cut or mirrored does not.
    Source: Barz & Denzler 2020, "Do we train on test data?", which found 3.3 % of CIFAR-10's test pictures so.
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

    Each is compared with every other one at COARSE pixels, ‖a − b‖² = ‖a‖² − 2a·b + ‖b‖²; the nearest again in full.
    """
    spread = float(others.std()) or 1.0
    middle = float(others.mean())
    coarse = [
        ((shrunk(part, COARSE) - middle) / spread).reshape(len(part), -1).astype(np.float32) for part in (some, others)
    ]
    squares = [np.einsum("nd,nd->n", rows, rows) for rows in coarse]
    found: dict[int, int] = {}
    for first in range(0, len(some), AT_ONCE):
        rows = coarse[0][first : first + AT_ONCE]
        nearest = (squares[1] - 2 * (rows @ coarse[1].T)).argmin(axis=1)
        for place, other in enumerate(nearest.tolist(), start=first):
            difference = (some[place].astype(np.float64) - others[other]) / spread
            if float(np.sqrt((difference**2).mean())) < NEAR:
                found[place] = other
    return found
