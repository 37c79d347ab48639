"""Does a step change the weights by about a thousandth of what they are?"""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject

WANTED = 1e-3
NEAR, FAR = 30.0, 300.0  # times more or less


def update_ratio(subject: Subject) -> Finding:
    """Compare the length of each weight's step with the weight's own, ‖Δw‖ / ‖w‖, over the steps of a trial.

    What is judged is the median over the layers. Source: Karpathy et al., CS231n, "Ratio of weights:updates", which
    wants some 1e-3; layers of one network often lie a factor of ten apart.
    """
    ratios = subject.trial.ratios
    if not subject.trial.finite or not ratios:
        return Finding(Verdict.BROKEN, "the weights are no numbers after the first steps", "see the learning rate")
    middle = float(np.median(list(ratios.values())))
    low, high = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    numbers = {"median": middle, **ratios}
    figure = f"{middle:.1e} (from {ratios[low]:.0e}, {low}, to {ratios[high]:.0e}, {high}); about 1e-3 is usual"
    away = max(middle / WANTED, WANTED / max(middle, 1e-30))
    if away <= NEAR:
        return Finding(Verdict.FINE, figure, numbers=numbers)
    advice = "lower the learning rate: steps are long" if middle > WANTED else "raise the learning rate: hardly a move"
    return Finding(Verdict.BROKEN if away > FAR else Verdict.LOOK, figure, advice, numbers)
