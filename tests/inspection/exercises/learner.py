"""A learner: writes a body into an exercise's file, and asks what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from minicnn.inspection.exercises import EXERCISES, Verdict, exercise_file
from minicnn.inspection.exercises.examine import examine
from minicnn.inspection.exercises.learner_file import learnt_function


def write(folder: Path, name: str, body: str) -> Path:
    """Write the file of an exercise with `body` in the place of what is not written."""
    lines = exercise_file(EXERCISES[name]).splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.startswith("    raise NotImplementedError("))
    lines[place] = indent(dedent(body).strip("\n"), "    ")
    path = folder / f"{name}.py"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def judged(path: Path, name: str) -> Verdict:
    """Return what the check says, in this process."""
    function = learnt_function(EXERCISES[name], path)
    return function if isinstance(function, Verdict) else examine(EXERCISES[name], function, path)
