"""Step through a script, its layers and their formulas, past what lies between them.

    python -m minicnn.inspection.debugger SCRIPT [ARGUMENT ...]

This is Python's own debugger, pdb, with the formulas switched on (reference mode) and three differences:

- `step` does not stop in plumbing: the dispatch of operations and their checks of shapes, what a layer does to keep its
  arrays, the geometry of windows, the Python code of NumPy and of other libraries. From a layer's line it goes
  straight into the formula's first line. A breakpoint stops in plumbing as anywhere else.
- `break conv2d` stops in the formula of the operation of that name, wherever it is called from.
- Calls are no stops of their own: a function's first line is the first stop in it.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from pdb import Pdb
from typing import Any

from minicnn import ops

PLUMBING = (
    "minicnn.dispatch", "minicnn.backend", "minicnn.devices", "minicnn.layers.base", "minicnn.layers.plan",
    "minicnn.layers.passes", "minicnn.layers.sequential", "minicnn.layers.tree", "minicnn.layers.variables",
    "minicnn.ops.windows",
)  # fmt: skip
_LIBRARIES = tuple({str(Path(sysconfig.get_path(name))) + os.sep for name in ("stdlib", "purelib", "platlib")})


class Debugger(Pdb):
    """Python's debugger, which knows operations by name and stops in what a reader came to see."""

    prompt = "(Pdb) "

    def stop_here(self, frame: types.FrameType) -> bool:
        """Return whether to stop in this frame, unless there is a breakpoint."""
        return not _is_plumbing(frame) and super().stop_here(frame)

    def user_call(self, frame: types.FrameType, argument_list: object) -> None:
        """Pass over the call: the next stop is the function's first line."""

    def do_break(self, arg: str, temporary: bool = False) -> None:  # type: ignore
        """Set a breakpoint.

        b(reak) [operation | function | filename:lineno] [, condition]

        An operation of minicnn.ops, such as conv2d or ops.conv2d, stops in the first line of its formula. The rest is
        as in pdb.
        """
        place, comma, condition = arg.partition(",")
        operation = self._operation(place.strip())
        super().do_break(arg if operation is None else first_line(operation) + comma + condition, temporary)

    do_b = do_break  # type: ignore

    def _operation(self, name: str) -> Any:
        """Return the operation that `name` means where the program stands, or None."""
        frame = self.curframe
        assert frame is not None
        try:
            found = eval(name, frame.f_globals, frame.f_locals)
        except Exception:  # whatever is wrong with it, pdb knows more kinds of places
            known = name.removeprefix("ops.")
            found = getattr(ops, known) if known in ops.__all__ else None
        return found if hasattr(found, "formula") else None


def first_line(operation: Any) -> str:
    """Return "file:line" of the first line that runs in an operation's formula."""
    code = operation.formula.__code__
    line = next(line for _, line in dis.findlinestarts(code) if line is not None and line > code.co_firstlineno)
    return f"{code.co_filename}:{line}"


def _is_plumbing(frame: types.FrameType) -> bool:
    """Return whether a frame belongs to what lies between a script's lines, layers and formulas."""
    module = frame.f_globals.get("__name__", "")
    if module in PLUMBING:
        return True
    if not module.startswith("minicnn."):
        file = frame.f_code.co_filename
        return file.startswith((*_LIBRARIES, "<"))
    return _is_preparation(frame)


def _is_preparation(frame: types.FrameType | None) -> bool:
    """Return whether a frame of minicnn belongs to an operation's check, or to the import of a file."""
    while frame is not None:
        module, caller = frame.f_globals.get("__name__", ""), frame.f_back
        if frame.f_code.co_name == "<module>":
            return module.startswith("minicnn.")
        if caller is not None and caller.f_globals.get("__name__") == "minicnn.dispatch":
            # which calls checks, formulas and kernels, and nothing else
            operation = getattr(sys.modules.get(module), frame.f_code.co_name, None)
            return not hasattr(operation, "formula") and not module.startswith("minicnn.kernels.")
        frame = caller
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script that the command line names, from its first line, under the debugger; return the exit code."""
    script, *rest = sys.argv[1:] if arguments is None else arguments or [""]
    path = Path(script)
    if not path.is_file():
        print(f"there is no script {script!r}: name a Python file, such as examples/02_….py", file=sys.stderr)
        return 2
    os.environ.setdefault("MINICNN_KERNELS", "reference")
    sys.argv = [script, *rest]
    sys.path[0] = str(path.resolve().parent)
    program = types.ModuleType("__main__")
    program.__dict__.update(__file__=str(path), __builtins__=__builtins__)
    sys.modules["__main__"] = program
    debugger = Debugger()
    try:
        debugger.run(compile(path.read_bytes(), str(path.resolve()), "exec"), program.__dict__)
    except SystemExit as end:
        print(f"The script ended with exit code {end.code}.")
    except Exception as error:
        traceback.print_exc()
        print("Uncaught error: look around with up, down and p; quit to leave.")
        debugger.interaction(None, error.__traceback__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
