"""A network of the user's own, from a Python file: a function of the number of classes that returns layers.

    # my_net.py
    from minicnn import Conv2D, Dense, Flatten, MaxPool2D, ReLU

    def my_net(classes):
        return [Conv2D(32, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(classes)]

It is named as `my_net.py`, or as `my_net.py:my_net` where the file has several functions and none of its own name. The
file is a program, which runs with all that the user may do: only what was named by the user may come here. It stands
for itself alone: other files beside it cannot be imported.
"""

from __future__ import annotations

import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from minicnn.errors import UsageError
from minicnn.files import in_home
from minicnn.layers import Layer

_OWN = " (a network of your own)"  # behind the name of the module that a file becomes


def is_file(name: str) -> bool:
    """Return whether `name` means a file, FILE.py or FILE.py:FUNCTION, rather than a network that minicnn knows."""
    return _parts(name) is not None


def split(name: str) -> tuple[Path, str | None]:
    """Return the file and the function (or None) that `name` means. Raises UsageError when it means no file."""
    parts = _parts(name)
    if parts is None:
        raise UsageError(f"{name!r} names no Python file: write FILE.py or FILE.py:FUNCTION")
    return in_home(parts["file"]), parts["function"]


def _parts(name: str) -> re.Match[str] | None:
    return re.fullmatch(r"(?P<file>.+\.py)(:(?P<function>\w+))?", name, re.DOTALL)


@dataclass(frozen=True)
class OwnFile:
    """A file that has been executed, and the function in it that makes the network's layers when it is called.

    path: the file. content: what was executed. function: what of it makes the layers.
    """

    path: Path
    content: bytes
    function: FunctionType

    @classmethod
    def execute(cls, name: str) -> OwnFile:
        """Execute the file that `name` means, see `is_file`, and find the function.

        Raises UsageError, with the line where there is one, when it cannot be read or executed, or does not say which
        function is meant.
        """
        path, wanted = split(name)
        content = read(path)
        module = ModuleType(path.stem + _OWN)
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # where dataclasses, say, look for the names that a class was made with
        try:
            exec(_compiled(content, path), vars(module))
        except (Exception, SystemExit) as error:
            raise _fault(path, error) from error
        return cls(path, content, _function(path, module, wanted))

    def __call__(self, classes: int) -> list[Layer]:
        """Return the layers for so many classes. Raises UsageError when the function fails or returns none."""
        name = f"{self.function.__name__}({classes})"
        try:
            layers: Any = self.function(classes)
        except (Exception, SystemExit) as error:
            raise _fault(self.path, error, self.function.__code__.co_firstlineno) from error
        if not isinstance(layers, list | tuple) or not layers or not all(isinstance(item, Layer) for item in layers):
            raise UsageError(
                f"{self.path}, line {self.function.__code__.co_firstlineno}: {name} should return a list of layers; "
                f"got {_shortened(repr(layers))}"
            )
        return list(layers)


def read(path: Path) -> bytes:
    """Return what is in the file. Raises UsageError when it is not there or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def fault_in_pass(error: Exception) -> UsageError | None:
    """Return in one line what went wrong in a layer of the user's own while it ran, and where.

    None where no file of the user's own had a part in it.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        if frame.f_globals.get("__name__", "").endswith(_OWN):
            return _fault(Path(frame.f_code.co_filename), error)
    layer = type(frames[-1].f_locals.get("self")) if frames else object  # one that has not written a method
    if layer.__module__.endswith(_OWN):
        return UsageError(f"{layer.__module__.removesuffix(_OWN)}.py: {_shortened(str(error))}")
    return None


def _compiled(content: bytes, path: Path) -> CodeType:
    try:
        return compile(content, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno or 1}: {type(error).__name__}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # bytes that are no text, brackets without an end
        raise UsageError(f"{path} is no Python file: {error}") from error


def _function(path: Path, module: ModuleType, name: str | None) -> FunctionType:
    functions = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not key.startswith("_")
    }
    if name is None and len(functions) == 1:
        return next(iter(functions.values()))
    if (name or path.stem) in functions:
        return functions[name or path.stem]
    if not functions:
        raise UsageError(
            f"{path} has no function: write one that takes the number of classes and returns a list of layers"
        )
    named = ", ".join(functions)
    if name is not None:
        raise UsageError(f"{path} has no function {name!r}; it has {named}")
    example = next(iter(functions))
    raise UsageError(f"{path} has several functions ({named}): say which makes the network, as {path}:{example}")


def _fault(path: Path, error: BaseException, line: int | None = None) -> UsageError:
    """Return what went wrong in the file in one line, and where: at `line` if the traceback does not say."""
    if isinstance(error, UsageError) and str(error).startswith(f"{path}, line"):
        return error
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{path}, line {lines[-1] if lines else line or 1}"
    kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
    return UsageError(f"{place}: {kind}{_shortened(str(error))}")


def _shortened(text: str, most: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
