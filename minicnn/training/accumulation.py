"""Gradient accumulation: several batches make one step, which learns from all their samples as from one large batch.

The mean loss of a large batch is the mean over all its samples, so a small batch's own mean counts for the share of the
samples that it holds: L = Σ_b (N_b / N) · L_b. Gradients add up in the parameters, as `backward` leaves them there.
What looks at a batch as a whole, batch norm alone, sees the small ones. Memory is that of a small batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


def groups_of(size: int, items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield `items` in lists of `size`, in order; the last one holds what is left."""
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def shares(weights: list[Any]) -> list[Any]:
    """Return what part of all each of `weights` is.

    weights: plain numbers, or arrays with one number each that live on any device.
    """
    total = sum(weights)
    return [weight / total for weight in weights]
