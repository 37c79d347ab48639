"""The learner's code in a process of its own, so that nothing it does, not even an endless loop, ends ours.

The process gets a folder: request.json, and pictures.npz where it is to train. It writes answer.json there, or is
ended by Python's own watchdog, which notes in stack.txt on which line it was. What the learner's code prints goes where
ours goes, and `breakpoint()` stops the watch.
"""

from __future__ import annotations

import faulthandler
import json
import os
import pdb
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from minicnn.errors import UsageError
from minicnn.inspection.exercises.calls import Failure
from minicnn.inspection.exercises.examine import examine, failed_elsewhere
from minicnn.inspection.exercises.exercise import Exercise
from minicnn.inspection.exercises.language import Text
from minicnn.inspection.exercises.learner_file import learnt_function
from minicnn.inspection.exercises.tasks import EXERCISES
from minicnn.inspection.exercises.training import train_with
from minicnn.inspection.exercises.verdict import Verdict

CHECKED_WITHIN = 20.0  # seconds, for what takes milliseconds
TRAINED_WITHIN = 60.0  # seconds, after which training ends as far as it came
ONE_STEP = 60.0  # seconds more than that, for the last step and the validation
TOO_SLOW = Text(
    "{name} is right, but so slow that not even a step of training was done in {seconds:.0f} s: write the loops as "
    "products of whole arrays",
    "{name} 正确，但太慢，{seconds:.0f} 秒内一步训练都没完成：把循环写成整个数组的乘积吧",
)


def check_file(exercise: Exercise, path: Path, seconds: float = CHECKED_WITHIN) -> Verdict:
    """Run the learner's file in a process of its own and return what is right or wrong with it.

    seconds: after which it is taken to be in an endless loop. Raises UsageError when there is no such file.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}: `minicnn exercise start {exercise.name}` writes it")
    return _run({"exercise": exercise.name, "path": str(path.resolve()), "seconds": seconds}, exercise, None)


def train_file(
    exercise: Exercise, path: Path, pictures: np.ndarray, labels: np.ndarray, validation: int,
    seconds: float = TRAINED_WITHIN,
) -> Verdict:  # fmt: skip
    """Train a small network with the function in a file that passes `check_file`, and return what came of it.

    pictures, labels, validation, seconds: as for `training.train_with`.
    """
    request = {
        "exercise": exercise.name, "path": str(path.resolve()), "seconds": seconds + ONE_STEP, "training": seconds,
        "validation": validation,
    }  # fmt: skip
    return _run(request, exercise, {"pictures": pictures, "labels": labels})


def _run(request: dict[str, Any], exercise: Exercise, arrays: dict[str, np.ndarray] | None) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="minicnn-exercise-") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        if arrays is not None:
            np.savez(folder / "pictures.npz", **arrays)  # type: ignore[arg-type]
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import answer; answer({name!r})"
        code = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"MINICNN_KERNELS": "reference"}
        ).returncode
        if (folder / "answer.json").is_file():
            found = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
            return Verdict(found[0], Text(*found[1]), tuple(Text(*text) for text in found[2]))
        stack = (folder / "stack.txt").read_text(encoding="utf-8") if (folder / "stack.txt").is_file() else ""
    if stack and "training" in request:
        return Verdict(True, TOO_SLOW.filled(name=exercise.name, seconds=request["seconds"]))
    return _without_an_answer(exercise, Path(request["path"]), request["seconds"], stack, code)


def _without_an_answer(exercise: Exercise, path: Path, seconds: float, stack: str, code: int) -> Verdict:
    """Return what to say about a process that was ended before it answered."""
    if not stack:
        hint = Text(
            "Python itself ended (exit code {code}) before {name} returned: does it end the program, or take all "
            "the memory?",
            "{name} 还没有返回，Python 就结束了（退出码 {code}）：是它结束了程序，还是用光了内存？",
        )
        return Verdict(False, hint.filled(name=exercise.name, code=code))
    hint = Text(
        "{name} did not come to an end within {seconds:.0f} s, where a moment would do: is there a loop that never "
        "ends?",
        "{name} 在 {seconds:.0f} 秒内没有结束，而本来一瞬间就够：是不是有死循环？",
    ).filled(name=exercise.name, seconds=seconds)
    file = path.name.encode("ascii", "backslashreplace").decode()  # as the watchdog writes it
    places = re.findall(rf'{re.escape(file)}", line (\d+)', stack)
    if not places:
        return Verdict(False, hint)
    line = int(places[0])  # the innermost call comes first
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()[line - 1].strip()
    where = Text("It was at line {line}: {text}", "当时停在第 {line} 行：{text}").filled(line=line, text=text)
    return Verdict(False, hint, (where,))


def answer(name: str) -> None:
    """Do, in the process of its own, what the request in the folder `name` asks for, and write the answer there."""
    folder = Path(name)
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    exercise, path = EXERCISES[request["exercise"]], Path(request["path"])
    with (folder / "stack.txt").open("w", encoding="utf-8") as stack, threadpool_limits(1, "blas"):
        sys.breakpointhook = _breakpoint
        faulthandler.dump_traceback_later(request["seconds"], exit=True, file=stack)
        verdict = _verdict(exercise, path, request, folder)
        faulthandler.cancel_dump_traceback_later()
    found = [verdict.passed, verdict.hint, verdict.evidence]
    (folder / "answer.json").write_text(json.dumps(found), encoding="utf-8")


def _verdict(exercise: Exercise, path: Path, request: dict[str, Any], folder: Path) -> Verdict:
    function = learnt_function(exercise, path)
    if isinstance(function, Verdict):
        return function
    if "training" not in request:
        return examine(exercise, function, path)
    with np.load(folder / "pictures.npz") as arrays:
        pictures, labels = arrays["pictures"], arrays["labels"]
    try:
        training = train_with(exercise, function, pictures, labels, request["validation"], request["training"])
    except (Exception, SystemExit) as error:
        return failed_elsewhere(exercise, Failure.of(error, path))
    hint, *evidence = training.said(exercise)
    return Verdict(True, hint, tuple(evidence))


def _breakpoint(*args: object, **kwargs: object) -> None:
    """Stop in the debugger, for as long as the learner likes."""
    faulthandler.cancel_dump_traceback_later()
    pdb.Pdb().set_trace(sys._getframe(1))
