"""The tables from which the tests of all optimizers take their cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.loops import updates as loops


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
    "sgd_update": Update(loops.sgd_update, arrays=3, changed=(0, 2), numbers=(0.1, 0.9, True, 0.01)),
    "adam_update": Update(
        loops.adam_update, arrays=4, changed=(0, 2, 3), positive=(3,),
        numbers=(1 - 0.9**3, 1 - 0.999**3, 0.1, 0.9, 0.999, 1e-8, 0.01),
    ),
    "average_update": Update(loops.average_update, arrays=2, changed=(0,), numbers=(0.25,), twins=("cpu",)),
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
