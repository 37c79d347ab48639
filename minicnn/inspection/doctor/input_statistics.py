"""Are the numbers that reach the network of a scale that it can work with, and alike in training and validation?"""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject

LARGE = 10.0  # a standard deviation beyond this comes of bytes that nobody scaled
SMALL = 0.02  # and one below this of pictures that are all but one colour
SHIFT = 0.5  # standard deviations between the means of training and validation
CHANCE = 3.0  # standard errors, below which the means of few pictures differ by chance
PLAIN = 0.05  # share of the pictures that have a single colour


def input_statistics(subject: Subject) -> Finding:
    """Look at mean and deviation of each channel, at what training and validation differ in, and at empty pictures.

    Initial weights are drawn for inputs with a mean near 0 and a deviation near 1 (He et al. 2015, §2.2); a scale some
    ten times smaller, as of pixels in 0–1, does as well.
    """
    train, validation = subject.train_survey, subject.validation_survey
    mean, std = train.mean, train.std
    apart = np.abs(mean - validation.mean)
    shift = float((apart / np.maximum(std, 1e-12)).max())
    numbers = {"mean": float(mean.mean()), "std": float(std.mean()), "lowest": train.lowest, "highest": train.highest,
               "plain": train.plain / len(train), "shift": shift}  # fmt: skip
    figure = f"mean {_channels(mean)}, deviation {_channels(std)}, from {train.lowest:.3g} to {train.highest:.3g}"
    if not (train.finite and validation.finite):
        return Finding(Verdict.BROKEN, "some numbers are infinite or none", "mend the data before all else", numbers)
    if float(std.max()) < 1e-6:
        return Finding(Verdict.BROKEN, f"{figure}: all pictures are the same", "look at what is read", numbers)
    if float(std.max()) > LARGE or float(np.abs(mean).max()) > LARGE:
        advice = "scale bytes to 0–1 (uint8 arrays are), or take off the mean and divide by the deviation"
        return Finding(Verdict.BROKEN, f"{figure}: initial weights are for numbers near 1", advice, numbers)
    if train.plain > PLAIN * len(train):
        figure = f"{train.plain:,} of {len(train):,} training pictures have a single colour"
        return Finding(Verdict.LOOK, figure, "open some of them: were they read as they should?", numbers)
    if float(std.max()) < SMALL:
        advice = "are the pictures scaled twice, or nearly black? --normalize imagenet divides by the deviation"
        return Finding(Verdict.LOOK, f"{figure}: hardly any contrast", advice, numbers)
    error = train.spread * np.sqrt(1 / len(train) + 1 / len(validation))
    if shift > SHIFT and bool((apart > CHANCE * error).any()):
        figure = f"validation has mean {_channels(validation.mean)}, training {_channels(mean)} ± {_channels(std)}"
        return Finding(Verdict.LOOK, figure, "both have to be prepared alike, and be of the same kind", numbers)
    return Finding(Verdict.FINE, figure, numbers=numbers)


def _channels(values: np.ndarray) -> str:
    """Return the values of a few channels, or the mean of many."""
    return "/".join(f"{value:.2g}" for value in values) if len(values) <= 3 else f"{values.mean():.2g}"
