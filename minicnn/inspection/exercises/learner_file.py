"""The learner's file, executed, and the function in it."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import ModuleType

from minicnn.inspection.exercises.calls import Failure
from minicnn.inspection.exercises.exercise import Exercise, Function
from minicnn.inspection.exercises.language import Text
from minicnn.inspection.exercises.verdict import Verdict


def learnt_function(exercise: Exercise, path: Path) -> Function | Verdict:
    """Execute the learner's file and return the exercise's function in it, or what keeps it from being there."""
    module = ModuleType(f"{path.stem} (an exercise)")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses, say, look for the names that a class was made with
    linecache.checkcache(str(path))
    try:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        failure = Failure.of(error, path)
        hint = Text("The file cannot be executed: {failure}", "文件无法执行：{failure}").filled(failure=failure)
        return Verdict(False, hint, failure.place)
    function = vars(module).get(exercise.name)
    if not callable(function):
        hint = Text(
            "There is no function {name} in {file}: keep its name and its first line; "
            "`minicnn exercise start {name}` writes the file anew.",
            "{file} 中没有函数 {name}：请保留它的名字和第一行；`minicnn exercise start {name}` 会重新写出文件。",
        )
        return Verdict(False, hint.filled(name=exercise.name, file=path.name))
    return function
