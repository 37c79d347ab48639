"""One function's gradients, backward's beside the numeric ones: the heart of the gradient check.

A forward pass has many outputs and a derivative needs one number, so the outputs y are weighed with numbers r:

    L = Σ y ⊙ r        ∂L/∂y = r        so backward(r) must return ∂L/∂x, and leave ∂L/∂w at every parameter w

and each of those, element by element, is also (L(x + h) − L(x − h)) / 2h, which uses no formula of backward at all.
How the differences are taken, and how kinks are told from mistakes, stands in `finite_differences`; how a mistake at
one element of a large array is found, of which only some are checked one by one, in `suspects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from minicnn.backend import Array, array_module, device_of, to_device, to_numpy
from minicnn.errors import ShapeError, UsageError
from minicnn.inspection.finite_differences import Index, numeric_gradient, yardstick
from minicnn.inspection.gradient_report import TOLERANCE, ArrayCheck
from minicnn.inspection.suspects import find_suspect

DOUBTS = 10  # so many times its doubt a numeric gradient may be wrong at most
ZERO = 1e-12  # a gradient below this share of the output is rounding error
REPEATS = 1e-9  # of the largest output: two passes on the same arrays differ by less

Forward = Callable[..., Array]  # forward(**arrays) -> y
Backward = Callable[..., Mapping[str, Array | None]]  # backward(dy, **arrays) -> the gradient of each array, by name


class Comparison(NamedTuple):
    """The gradient of each array against the numeric one; and which arrays the passes overwrote, in words, if any."""

    checks: tuple[ArrayCheck, ...]
    overwritten: str | None


@threadpool_limits.wrap(limits=1, user_api="blas")  # thousands of small products: threads cost more than they bring
def compare_gradients(
    forward: Forward, backward: Backward, arrays: Mapping[str, Array], rng: np.random.Generator, elements: int,
    names: Mapping[str, str] | None = None, dy: Array | None = None,
) -> Comparison:  # fmt: skip
    """Compare the gradients of all arrays, float64, which are changed in place and brought back.

    forward, backward: called with the arrays by name. elements: how many are checked one by one of an array that has
    more. names: what an array is called in the report, if otherwise, and "y" the output. dy: what the outputs are
    weighed with, each times a random number near 1, so that no sum of them cancels by chance; random numbers alone if
    left out. Raises UsageError where an array, output or gradient is not float64, the output not finite, or two passes
    differ, ShapeError for a gradient of another shape.
    """
    names = {"y": "the output", **{name: name for name in arrays}, **(names or {})}
    before = {name: array.copy() for name, array in arrays.items()}
    y = forward(**arrays).copy()
    by_forward = _bring_back(arrays, before)
    _require_float64({names[name]: array for name, array in {**arrays, "y": y}.items()})
    _require_repeatable(y, forward(**arrays), names["y"])
    projection = weights_near(y, dy, rng)
    rounding = rounding_of(y, projection)
    dy = projection.copy()
    gradients = backward(dy, **arrays)
    claimed = {name: _like(names[name], gradients.get(name), array) for name, array in arrays.items()}
    by_backward = _bring_back({"dy": dy, **arrays}, {"dy": projection, **before})
    checks = []
    for name, array in arrays.items():
        analytic = claimed[name]
        indices = _choose_elements(analytic, elements, rng)
        if len(indices) < array.size:
            suspect = find_suspect(lambda: forward(**arrays), projection, array, analytic, rng)
            indices += [suspect] if suspect is not None and suspect not in indices else []
        numeric, doubt, known = numeric_gradient(lambda: forward(**arrays), projection, array, indices, TOLERANCE / 4)
        check = _compare(names[name], analytic, indices, numeric, doubt, known, rounding)
        checks.append(replace(check, missing=gradients.get(name) is None))
    return Comparison(tuple(checks), _overwritten("forward", by_forward) or _overwritten("backward", by_backward))


def weights_near(y: Array, dy: Array | None, rng: np.random.Generator) -> Array:
    """Return random weights r for the outputs y, none of them near zero; times dy, if it is given."""
    weights = rng.uniform(0.5, 1.5, y.shape)
    if dy is None:
        weights = weights * rng.choice([-1.0, 1.0], y.shape)
    projection = to_device(np.asarray(weights), device_of(y))
    return projection if dy is None else projection * dy


def rounding_of(y: Array, projection: Array) -> float:
    """Return how large a gradient of Σ y ⊙ projection may look although it is zero."""
    return ZERO * float(abs(y * projection).sum())


def _require_float64(arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype != "float64":
            raise UsageError(
                f"gradcheck computes in float64, but {name} is {array.dtype}: look for a silent conversion"
            )


def _require_repeatable(y: Array, again: Array, name: str) -> None:
    """Raise UsageError unless y is finite and `again`, from the same arrays, is the same."""
    if not array_module(y).isfinite(y).all():
        raise UsageError(f"{name} of the forward pass is not finite (NaN or ∞): there is no gradient to check")
    if y.size and float(abs(y - again).max()) > REPEATS * float(abs(y).max()):
        raise UsageError(
            f"{name} of two forward passes on the same input differs, so there is no gradient to check: a layer draws "
            "its random numbers from a Randomness(), and keeps what changes from pass to pass in a State"
        )


def _bring_back(arrays: Mapping[str, Array], before: Mapping[str, Array]) -> list[str]:
    """Bring the arrays back to what they were, and return the names of those that had been changed."""
    changed = [
        name
        for name, array in arrays.items()
        if not array_module(array).array_equal(array, before[name], equal_nan=True)
    ]
    for name in changed:
        arrays[name][...] = before[name]
    return changed


def _overwritten(which: str, names: list[str]) -> str | None:
    """Return in words what a pass overwrote, or None if nothing."""
    if not names:
        return None
    return (
        f"its {which} pass overwrites {' and '.join(names)}: what a pass is given belongs to others, such as the "
        "layers next to it, and has to stay as it is"
    )


def _like(name: str, gradient: Array | None, array: Array) -> np.ndarray:
    """Return a host copy of the gradient of `array`, which must be of its shape; none at all counts as zero."""
    if gradient is None:
        return np.zeros(array.shape)
    if gradient.shape != array.shape:
        raise ShapeError(f"backward gives {name}, of shape {array.shape}, a gradient of shape {gradient.shape}")
    _require_float64({f"the gradient of {name}": gradient})
    return to_numpy(gradient).copy()


def _choose_elements(analytic: np.ndarray, count: int, rng: np.random.Generator) -> list[Index]:
    """Choose `count` elements: the first and last, where padding goes wrong, the largest gradient, and random ones."""
    size = analytic.size
    chosen = list(range(size))
    if size > count:
        ordered = [int(np.abs(analytic).argmax()), 0, size - 1, *rng.choice(size, count, replace=False)]
        chosen = list(dict.fromkeys(ordered))[:count]  # without repetition
    return [tuple(int(i) for i in np.unravel_index(k, analytic.shape)) for k in chosen]


def _compare(
    name: str, analytic: np.ndarray, indices: list[Index], numeric: np.ndarray, doubt: np.ndarray, known: np.ndarray,
    rounding: float,
) -> ArrayCheck:  # fmt: skip
    claimed = np.array([analytic[index] for index in indices])
    largest = max(np.abs(analytic).max(), np.abs(numeric).max(where=known, initial=0.0))
    # A doubtful derivative excuses as much as it may be wrong by, with a margin, and no more.
    certain = np.abs(claimed - numeric) > DOUBTS * doubt
    zero = bool(largest <= rounding and not (certain & ~known).any())
    scale = np.maximum(yardstick(claimed, largest), np.abs(numeric))
    errors = np.zeros(len(indices)) if zero else np.abs(claimed - numeric) / scale
    judged = known | certain
    errors = np.where(judged, np.where(np.isfinite(errors), errors, np.inf), 0.0)
    worst = int(np.argmax(np.where(judged, errors, -1.0)))
    return ArrayCheck(
        name=name, shape=analytic.shape, checked=int(known.sum()), left_out=int((~known).sum()),
        max_relative_error=float(errors[worst]), worst=indices[worst], analytic=float(claimed[worst]),
        numeric=float(numeric[worst]), zero=zero, factor=_common_factor(claimed[known], numeric[known]),
    )  # fmt: skip


def _common_factor(claimed: np.ndarray, numeric: np.ndarray) -> float | None:
    """Return the one number other than 1 that all claimed gradients are a multiple by, if there is one."""
    energy = float(numeric @ numeric)
    if energy == 0 or not np.isfinite(claimed).all():
        return None
    factor = float(claimed @ numeric) / energy
    fits = np.abs(claimed - factor * numeric).max() <= 1e-5 * abs(factor) * np.abs(numeric).max()
    return factor if fits and abs(factor - 1) > TOLERANCE else None
