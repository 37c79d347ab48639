"""The optimizers' steps, one weight at a time; each returns new arrays and changes none.

`UPDATES` and `OPTIMIZERS` are the tables from which the tests of all optimizers take their cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def sgd_update(value, grad, velocity, lr, momentum, nesterov, weight_decay):
    """Return (w, v) after a step of gradient descent with momentum; v is None without it."""
    new_value = np.zeros(value.shape)
    new_velocity = None if velocity is None else np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        step = float(grad[index]) + weight_decay * float(value[index])
        if velocity is not None:
            running = momentum * float(velocity[index]) + step
            new_velocity[index] = running
            step = step + momentum * running if nesterov else running
        new_value[index] = float(value[index]) - lr * step
    return new_value, new_velocity


def adam_update(value, grad, mean, square, mean_share, square_share, lr, beta1, beta2, epsilon, weight_decay):
    """Return (w, m, s) after a step of Adam; the shares are 1 − β₁ᵗ and 1 − β₂ᵗ."""
    results = np.zeros((3, *value.shape))
    for index in np.ndindex(value.shape):
        gradient = float(grad[index]) + weight_decay * float(value[index])
        m = beta1 * float(mean[index]) + (1 - beta1) * gradient
        s = beta2 * float(square[index]) + (1 - beta2) * gradient**2
        m_hat, s_hat = m / mean_share, s / square_share
        w = float(value[index]) - lr * m_hat / (math.sqrt(s_hat) + epsilon)
        results[(slice(None), *index)] = w, m, s
    return tuple(results)


def average_update(average, value, share):
    """Return (a,) with each number moved towards the value."""
    new_average = np.zeros(average.shape)
    for index in np.ndindex(average.shape):
        new_average[index] = (1 - share) * float(average[index]) + share * float(value[index])
    return (new_average,)


@dataclass(frozen=True)
class Update:
    """An operation that steps a parameter or its average: its loops, the positions of what it changes, plain numbers.

    arrays: how many it takes, all alike, the first of which it changes. positive: the positions of those without a
    negative number.
    twins: the devices that have a kernel for it; the formula is used elsewhere.
    """

    loops: Callable[..., tuple[Any, ...]]
    arrays: int
    changed: tuple[int, ...]
    numbers: tuple[float, ...]
    positive: tuple[int, ...] = ()
    twins: tuple[str, ...] = ("cpu", "gpu")

    def call(self, rng: np.random.Generator, dtype: str) -> tuple[Any, ...]:
        """Return the arguments of one plain call."""
        arrays = [rng.standard_normal((5, 3)).astype(dtype) for _ in range(self.arrays)]
        return *(abs(a) if place in self.positive else a for place, a in enumerate(arrays)), *self.numbers


UPDATES = {
    "sgd_update": Update(sgd_update, arrays=3, changed=(0, 2), numbers=(0.1, 0.9, True, 0.01)),
    "adam_update": Update(
        adam_update, arrays=4, changed=(0, 2, 3), positive=(3,),
        numbers=(1 - 0.9**3, 1 - 0.999**3, 0.1, 0.9, 0.999, 1e-8, 0.01),
    ),
    "average_update": Update(average_update, arrays=2, changed=(0,), numbers=(0.25,), twins=("cpu",)),
}  # fmt: skip

# name of a case → (minicnn's optimizer, which is also that of torch.optim, and its settings, of the same names in both)
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd, decay": ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "momentum, decay": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "nesterov, decay": ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam, decay": ("Adam", {"lr": 0.01, "weight_decay": 0.05}),
    "adam, betas": ("Adam", {"lr": 0.01, "betas": (0.8, 0.95)}),
}
