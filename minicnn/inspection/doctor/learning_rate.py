"""Does the learning rate teach, or tear apart, or do nothing at all?"""

from __future__ import annotations

import copy

import numpy as np

from minicnn.errors import UsageError
from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject
from minicnn.training.lr_finder import find_lr

HIGH, TORN = 1.5, 10.0  # times the first loss that the last ones may be, and any at all
FEW = 5  # steps at the end whose mean is taken
CHANCE = 0.05  # a fall that chance alone brings more often than this is none


def learning_rate(subject: Subject) -> Finding:
    """Train for forty steps by the very settings, and see what the loss does; where it does not fall, try other rates.

    A fall is one that a straight line through the losses shows, beyond what chance would (the slope's t-test). Other
    rates are tried as `minicnn train --find-lr` does: Smith 2017, §3.3.
    """
    trial = subject.trial
    begin, end = trial.losses[0], float(np.mean(trial.losses[-FEW:]))
    numbers = {"rate": trial.rate, "first_loss": begin, "last_loss": end, "steps": len(trial.losses)}
    figure = f"at {trial.rate:.2g} the loss went from {begin:.3g} to {end:.3g} in {len(trial.losses)} steps"
    if max(trial.losses) > TORN * begin:
        figure += f", by way of {max(trial.losses):.3g}"
    if not trial.finite or end > HIGH * begin or max(trial.losses) > TORN * begin:
        return Finding(Verdict.BROKEN, f"{figure}: it explodes", f"lower it{_suggestion(subject)}", numbers)
    if end < begin and falls(trial.losses):
        return Finding(Verdict.FINE, figure, numbers=numbers)
    return Finding(Verdict.LOOK, f"{figure}: no fall beyond chance", f"try another one{_suggestion(subject)}", numbers)


def falls(losses: list[float]) -> bool:
    """Return whether a straight line through the losses falls, by more than chance would let it."""
    from scipy.stats import linregress  # takes half a second to import

    line = linregress(np.arange(len(losses)), losses, alternative="less")
    return bool(line.pvalue < CHANCE)


def _suggestion(subject: Subject) -> str:
    try:
        curve = find_lr(copy.deepcopy(subject.trainer), subject.training)
    except UsageError:  # no rate teaches anything: the other checks say why
        return "; but no rate from 1e-6 to 10 made the loss fall"
    return f": it falls fastest at {curve.suggestion:.1g}"
