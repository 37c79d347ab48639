"""Gradient clipping: no step is longer than it should be, however steep the loss."""

from __future__ import annotations

from collections.abc import Mapping

from minicnn.backend import Array, array_module
from minicnn.errors import UsageError
from minicnn.layers import Parameter

EPSILON = 1e-6  # keeps the quotient finite where all gradients are 0


def clip_gradients(parameters: Mapping[str, Parameter], largest: float) -> None:
    """Scale all gradients by one factor, in place, so that their common norm is no more than `largest`.

        norm = √Σ g²  over all gradients,        g ← g · min(1, largest / (norm + ε))

    One factor for all leaves the direction of the step as it is. largest: above 0. Source: Pascanu, Mikolov & Bengio
    2013, "On the difficulty of training recurrent neural networks", §3.2. Raises UsageError for another `largest`.
    """
    if not 0 < largest < float("inf"):
        raise UsageError(f"gradients are clipped to a norm above 0 and finite; got {largest}")
    gradients = [parameter.grad for parameter in parameters.values() if parameter.grad is not None]
    if not gradients:
        return
    squares: Array = sum(array_module(g).square(g).sum() for g in gradients)  # on a GPU it stays there: nothing waits
    xp = array_module(squares)
    factor = xp.minimum(1.0, largest / (xp.sqrt(squares) + EPSILON))
    for gradient in gradients:
        gradient *= factor
