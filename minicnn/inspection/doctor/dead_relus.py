"""Are there ReLUs that never let anything through?"""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.activity import activity
from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject
from minicnn.layers import Sequential

PICTURES = 128
MANY, MOST = 0.5, 0.95  # share of a layer's units at the start
LATER = 0.85  # and after the first steps, when units have begun to stand for some classes alone


@np.errstate(over="ignore", invalid="ignore")
def dead_relus(subject: Subject) -> Finding:
    """Count units that are 0 for every one of 128 pictures, at the start and after the first steps of training.

    A unit is a channel of a feature map, or a number of a dense layer. A dead one gets no gradient, and hardly ever
    comes back; steps that are too long kill them. Source: Maas et al. 2013, §2.
    """
    x = subject.sample[0][:PICTURES]
    start = dead_shares(subject.copy_of_net(), x)
    if not start:
        return Finding(Verdict.FINE, "it has no ReLU")
    trained = dead_shares(subject.trial.net, x) if subject.trial.finite else {}
    worst = max(start, key=start.__getitem__)
    numbers = {f"{name} at start": share for name, share in start.items()}
    numbers |= {f"{name} after steps": share for name, share in trained.items()}
    figure = f"{start[worst]:.0%} of {worst} at the start"
    if start[worst] > MANY:
        verdict = Verdict.BROKEN if start[worst] > MOST else Verdict.LOOK
        return Finding(verdict, figure, "look at the bias and the scale before it: what it gets is below 0", numbers)
    steps = len(subject.trial.losses)
    victim = max(trained, key=trained.__getitem__, default=worst)
    if trained and trained[victim] > LATER:
        figure = f"{start.get(victim, 0.0):.0%} of {victim} at the start, {trained[victim]:.0%} after {steps} steps"
        verdict = Verdict.BROKEN if trained[victim] > MOST else Verdict.LOOK
        return Finding(verdict, figure, "lower the learning rate, or add a warm-up: long steps kill them", numbers)
    if trained:
        figure += f", {trained[victim]:.0%} of {victim} after {steps} steps"
    return Finding(Verdict.FINE, f"{figure} (the most of any layer)", numbers=numbers)


def dead_shares(net: Sequential, x: np.ndarray) -> dict[str, float]:
    """Return which share of each ReLU layer's units is 0 for all pictures x (N, …)."""
    largest = activity(net, x, dict.fromkeys(("relu", "relu6"), _largest_of_units))
    return {name: float((np.max(parts, axis=0) <= 0).mean()) for name, parts in largest.items()}


def _largest_of_units(y: np.ndarray) -> np.ndarray:
    return y.max(axis=tuple(range(y.ndim - 1)))
