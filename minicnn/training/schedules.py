"""How the learning rate moves while training goes on.

A schedule is a function of progress: `schedule(t)` gives the factor on the base learning rate at t in [0, 1], the
share of all steps that are done. Every schedule can begin with a warm-up, a straight rise from 0 over the first
`warmup` share of the steps (Goyal et al. 2017 §2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import cos, pi

from minicnn.errors import UsageError

Schedule = Callable[[float], float]


def constant(t: float) -> float:
    """Stay at 1."""
    return 1.0


def step(t: float, drops: int = 3, factor: float = 0.1) -> float:
    """Multiply by `factor` at each of `drops` evenly spaced moments: factor^⌊t·(drops + 1)⌋."""
    return factor ** min(int(t * (drops + 1)), drops)


def cosine(t: float) -> float:
    """Fall along half a cosine from 1 to 0: (1 + cos πt) / 2. Source: Loshchilov & Hutter 2017, eq. 5."""
    return (1 + cos(pi * t)) / 2


def linear(t: float) -> float:
    """Fall in a straight line from 1 to 0: 1 − t; after a warm-up a triangle.

    Source: Page 2019, "How to Train Your ResNet".
    """
    return 1 - t


def one_cycle(t: float, rise: float = 0.3, start: float = 1 / 25, end: float = 1e-4) -> float:
    """Rise along a cosine from `start` to 1 over the first `rise` of the steps, then fall to `end`.

    Source: Smith & Topin 2018.
    """
    if t < rise:
        return start + (1 - start) * (1 - cosine(t / rise))
    return end + (1 - end) * cosine((t - rise) / (1 - rise))


SCHEDULES: dict[str, Schedule] = {
    "constant": constant, "step": step, "linear": linear, "cosine": cosine, "one_cycle": one_cycle,
}  # fmt: skip


def _after_warmup(t: float, schedule: Schedule, warmup: float) -> float:
    return t / warmup * schedule(0.0) if t < warmup else schedule((t - warmup) / (1 - warmup))


def make_schedule(name: str, warmup: float = 0.0) -> Schedule:
    """Return the schedule called `name`, after a warm-up over the share `warmup` of the steps.

    Raises UsageError for an unknown name or a warm-up outside [0, 1).
    """
    if name not in SCHEDULES:
        raise UsageError(f"unknown schedule {name!r}: choose one of {', '.join(SCHEDULES)}")
    if not 0 <= warmup < 1:
        raise UsageError(f"warmup {warmup} should be at least 0 and below 1: the share of the steps to rise over")
    return partial(_after_warmup, schedule=SCHEDULES[name], warmup=warmup) if warmup else SCHEDULES[name]
