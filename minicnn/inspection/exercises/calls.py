"""One call of the learner's function, whatever it does: what came back, what was changed, or how it failed."""

from __future__ import annotations

import linecache
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.inspection.exercises.exercise import Arguments, Function, copies
from minicnn.inspection.exercises.language import Text


@dataclass(frozen=True)
class Failure:
    """How something in the learner's file failed: the error, and the line where it did, with its text."""

    error: BaseException
    line: int | None
    text: str

    @classmethod
    def of(cls, error: BaseException, path: Path) -> Failure:
        """Return where in the file at `path` an error came from: the innermost line of it."""
        if isinstance(error, SyntaxError) and error.filename == str(path):
            return cls(error, error.lineno, (error.text or "").strip())
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = lines[-1] if lines else None
        return cls(error, line, linecache.getline(str(path), line).strip() if line else "")

    @property
    def place(self) -> tuple[Text, ...]:
        """The line in words; nothing where the error has none in the file."""
        if self.line is None:
            return ()
        return (Text("Line {line}: {text}", "第 {line} 行：{text}").filled(line=self.line, text=self.text),)

    def __str__(self) -> str:
        message = self.error.msg if isinstance(self.error, SyntaxError) else str(self.error)
        kind = type(self.error).__name__
        return " ".join(f"{kind}: {message}".split()) if message else kind


@dataclass(frozen=True)
class Outcome:
    """What a call came to. after: its arguments as it left them. failure: None where it returned."""

    arguments: Arguments
    after: Arguments
    returned: Any
    failure: Failure | None

    @property
    def changed(self) -> list[str]:
        """The names of the arrays among its arguments that it changed."""
        return [
            name for name, before in self.arguments.items()
            if isinstance(before, np.ndarray) and not np.array_equal(before, self.after[name], equal_nan=True)
        ]  # fmt: skip


def call(function: Function, arguments: Arguments, path: Path) -> Outcome:
    """Call the learner's function, which comes from the file at `path`, with arrays of its own."""
    given = copies(arguments)
    returned, failure = None, None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            returned = function(**given)
        except (Exception, SystemExit) as error:
            failure = Failure.of(error, path)
    return Outcome(arguments, given, returned, failure)


def _dtype(array: np.ndarray) -> str:
    return f" {array.dtype}" if array.dtype == "float32" else ""


def described(arguments: Arguments) -> str:
    """Return a call's arguments in a line: arrays by shape (and dtype where that is float32), settings by value."""
    return ", ".join(
        f"{name} {value.shape}{_dtype(value)}" if isinstance(value, np.ndarray)
        else f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value!r}"
        for name, value in arguments.items()
    )  # fmt: skip
