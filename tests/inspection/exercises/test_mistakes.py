"""Every mistake that an exercise knows is one, and whoever makes it gets its hint and no other's."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.inspection.exercises import EXERCISES, Exercise, examine
from minicnn.inspection.exercises.exercise import Function, Mistake, copies


def mistaken(exercise: Exercise, mistake: Mistake) -> Function:
    """Return the operation with the mistake made in it, wherever its formula can be computed."""

    def function(**arguments: object) -> object:
        before = copies(arguments)
        returned = exercise.operation.reference(**arguments)
        results = exercise.named(arguments, returned)
        try:
            with np.errstate(all="ignore"):
                results[mistake.result] = mistake.wrong(SimpleNamespace(**{**results, **copies(before)}))
        except (ValueError, TypeError, IndexError):
            return returned
        if exercise.in_place:
            if arguments[mistake.result] is not None:
                arguments[mistake.result][...] = results[mistake.result]
            return None
        made = tuple(results.values())
        return made if len(made) > 1 else made[0]

    function.__signature__ = inspect.signature(exercise.operation)
    return function


@pytest.mark.parametrize("name", EXERCISES)
def test_whoever_makes_a_mistake_gets_its_hint(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "numeric_evidence", lambda exercise, function: ())  # which takes its time
    for number, mistake in enumerate(EXERCISES[name].mistakes):
        verdict = examine.examine(EXERCISES[name], mistaken(EXERCISES[name], mistake), Path("none.py"))
        assert not verdict.passed, f"{number}: {mistake.hint.en}"
        assert verdict.hint == mistake.hint, f"{number}: {mistake.hint.en}\nbut got: {verdict.said('en')}"
