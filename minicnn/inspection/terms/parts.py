"""The building blocks of an explanation: terms that are products of factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

Index = tuple[int, ...]
Named = Mapping[str, Any]  # arguments or results by name


class Factor(NamedTuple):
    """One factor of many products: `values`, in float64, and in words what the one at a place is."""

    values: np.ndarray
    label: Callable[[int], str]


class Products(NamedTuple):
    """Terms of one kind: products of the same factors."""

    factors: tuple[Factor, ...]

    @property
    def values(self) -> np.ndarray:
        """The products."""
        return np.prod(np.broadcast_arrays(*(factor.values for factor in self.factors)), axis=0)

    def text(self, place: int) -> str:
        """Return one of the products: in words, in numbers, and worked out."""
        names = " · ".join(factor.label(place) for factor in self.factors)
        numbers = [float(factor.values[place if len(factor.values) > 1 else 0]) for factor in self.factors]
        worked_out = f" = {prod(numbers):.6g}" if len(numbers) > 1 else ""
        return f"{names} = {' · '.join(f'{value:.6g}' for value in numbers)}{worked_out}"


class Spelled(NamedTuple):
    """What a number is made of: terms to be added up, and a note on what else is to know."""

    parts: tuple[Products, ...]
    note: str = ""


def element(name: str, array: np.ndarray, *index: Any) -> Factor:
    """Return the elements of an array at an index whose entries are numbers, or arrays of them, as a factor."""
    where = np.broadcast_arrays(*(np.atleast_1d(np.asarray(axis, dtype=np.intp)) for axis in index))

    def label(place: int) -> str:
        return f"{name}[{', '.join(str(axis[place if len(axis) > 1 else 0]) for axis in where)}]"

    return Factor(array[tuple(where)].astype("float64"), label)


def number(name: str, value: float) -> Factor:
    """Return a number, the same in every product, as a factor called `name`."""
    return Factor(np.array([value], dtype="float64"), lambda place: name)


def product(*factors: Factor) -> Products:
    """Return terms that are products of these factors."""
    return Products(tuple(factors))


Speller = Callable[[Named, Named, Index], Spelled]
