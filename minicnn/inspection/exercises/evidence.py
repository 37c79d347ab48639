"""The numbers that show a mistake: one that is wrong, what it should be the sum of, and its numerical derivative."""

from __future__ import annotations

import inspect

import numpy as np

from minicnn.inspection.exercises.comparison import wrong_places
from minicnn.inspection.exercises.exercise import Arguments, Exercise, Function, Results
from minicnn.inspection.exercises.language import Text, same
from minicnn.inspection.gradcheck import gradcheck_operation
from minicnn.inspection.gradient_report import TOLERANCE, GradientReport
from minicnn.inspection.terms import spell

SEED = 0
ELEMENTS = 12  # of each array are checked by differences, and the one that is most likely wrong
TERMS = 3  # of a sum that are spelled out


def example(exercise: Exercise, arguments: Arguments, name: str, returned: Results, true: Results) -> tuple[Text, ...]:
    """Return one number of the result `name` that is wrong, what it should be, and the first terms of that."""
    mine, right = np.asarray(returned[name]), np.asarray(true[name])
    if mine.shape != right.shape:
        return ()
    wrong = wrong_places(mine, right)
    distance = np.abs(np.nan_to_num(mine.astype("float64") - right.astype("float64"), posinf=9e99))
    index = tuple(int(i) for i in np.unravel_index(int(np.where(wrong, distance, -1).argmax()), right.shape))
    at = f"{name}{list(index)}" if index else name
    numbers = {"at": at, "mine": mine[index] + 0.0, "true": right[index] + 0.0}  # + 0.0: never −0
    call = inspect.signature(exercise.operation).bind(**arguments)
    call.apply_defaults()
    spelled = None if exercise.in_place else spell(exercise.operation, call.arguments, true, name, index)
    terms = [] if spelled is None else [part.text(i) for part in spelled.parts for i in range(len(part.values))]
    if len(terms) < 2:
        return (
            Text("For example {at} is {mine:.6g}, and should be {true:.6g}", "例如 {at} 是 {mine:.6g}，应为 {true:.6g}")
            .filled(**numbers),
        )  # fmt: skip
    told = Text(
        "For example {at} is {mine:.6g}, and should be {true:.6g}, the sum of {count} terms:",
        "例如 {at} 是 {mine:.6g}，应为 {true:.6g}，即 {count} 项之和：",
    ).filled(**numbers, count=len(terms))
    return (told, *(same(f"  {term}") for term in terms[:TERMS]), *([same("  …")] if len(terms) > TERMS else []))


def gradient_report(exercise: Exercise, function: Function) -> GradientReport | None:
    """Return the learner's backward pass beside differences of minicnn's forward pass; None for a forward pass."""
    if exercise.gradients is None:
        return None
    check = exercise.gradients(np.random.default_rng(SEED))

    def backward(dy: np.ndarray, **arrays: np.ndarray) -> Results:
        return check.backward(function, dy, **arrays)

    return gradcheck_operation(check.forward, backward, check.arrays, SEED, elements=ELEMENTS)


def numeric_evidence(exercise: Exercise, function: Function) -> tuple[Text, ...]:
    """Return what the gradient check says about a backward pass that is wrong, if it gets to say anything."""
    try:
        with np.errstate(all="ignore"):
            report = gradient_report(exercise, function)
    except (Exception, SystemExit):  # the learner's function may do anything there
        return ()
    checks = [check for mode in report.modes for part in mode.parts for check in part.checks] if report else []
    worst = max(checks, key=lambda check: check.max_relative_error, default=None)
    if worst is None or not worst.problem(TOLERANCE):
        return ()
    return (
        Text(
            "The gradient check, d{name}{place}: your backward pass gives {mine:.6g}, central differences of the "
            "forward pass give {true:.6g}",
            "梯度检查 d{name}{place}：你的反向传播给出 {mine:.6g}，对前向传播作中心差分得 {true:.6g}",
        ).filled(name=worst.name, place=list(worst.worst), mine=worst.analytic, true=worst.numeric),
    )
