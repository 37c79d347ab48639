"""Are sigmoids and hyperbolic tangents pushed to their ends, where they are flat?"""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.activity import activity
from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject

PICTURES = 64
FLAT = 0.05  # the slope there, as a share of the steepest one, below which hardly any gradient comes through
MANY, MOST = 0.3, 0.7  # share of a layer's numbers


@np.errstate(over="ignore", invalid="ignore")
def saturated_sigmoids(subject: Subject) -> Finding:
    """Count the outputs of sigmoids and tanh whose slope is below a twentieth of the steepest, before the first step.

    The slopes are y·(1 − y), at most 1/4, and 1 − y², at most 1. Source: Glorot & Bengio 2010, §3.
    """
    measures = {"sigmoid": lambda y: _share(4 * y * (1 - y)), "tanh": lambda y: _share(1 - y * y)}
    found = activity(subject.copy_of_net(), subject.sample[0][:PICTURES], measures)
    if not found:
        return Finding(Verdict.FINE, "it has no sigmoid or tanh")
    shares = {name: float(np.mean(parts)) for name, parts in found.items()}
    worst = max(shares, key=shares.__getitem__)
    figure = f"{shares[worst]:.0%} of what {worst} gives"
    if shares[worst] <= MANY:
        return Finding(Verdict.FINE, f"{figure} (the most of any layer)", numbers=shares)
    advice = "smaller weights or inputs before it, batch norm, or ReLU in its place"
    return Finding(Verdict.BROKEN if shares[worst] > MOST else Verdict.LOOK, figure, advice, shares)


def _share(slope: np.ndarray) -> np.ndarray:
    return np.asarray((slope < FLAT).mean())
