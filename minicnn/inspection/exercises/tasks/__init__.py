"""The exercises, in files named as in `minicnn.ops`: what each is tried on, and its mistakes with their hints."""

from __future__ import annotations

from minicnn.errors import UsageError
from minicnn.inspection.exercises.exercise import Exercise
from minicnn.inspection.exercises.tasks import (
    activations,
    batch_norm,
    columns,
    convolution,
    dense,
    dropout,
    pooling,
    softmax,
    updates,
)

FILES = (activations, dense, softmax, updates, dropout, columns, convolution, pooling, batch_norm)
EXERCISES: dict[str, Exercise] = {  # in an order in which to do them
    exercise.name: exercise for file in FILES for exercise in file.EXERCISES
}


def find(name: str) -> Exercise:
    """Return the exercise of that name. Raises UsageError where there is none."""
    if name not in EXERCISES:
        raise UsageError(f"there is no exercise {name!r}: choose {', '.join(EXERCISES)}")
    return EXERCISES[name]
