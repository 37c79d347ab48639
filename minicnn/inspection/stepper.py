"""Step through a pass, one operation at a time, forward and then backward; and into an operation's own code.

The pass has run before, by the formulas (see `recording`): so one can go back as well as on, and look as long as one
likes. `debug` runs one operation once more, with the very arrays that it had, under the debugger.
"""

from __future__ import annotations

import cmd
import inspect
import re
import shutil
import textwrap
from bdb import BdbQuit
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from minicnn.backend import is_array
from minicnn.dispatch import use_kernels
from minicnn.inspection.debugger import Debugger
from minicnn.inspection.formulas import formula_of, place_of
from minicnn.inspection.recording import Snapshot, Step

DOWN, ACROSS = 4, 6  # numbers of an array that are shown
LOSS = "loss"  # what asked for an operation if no layer did
NARROWEST = 80  # columns of a terminal that lines are made for


class Stepper(cmd.Cmd):
    """A prompt that stands before one operation of a pass, and goes to the next, back, or to any other.

    steps: the calls of a pass, as `Recorder` took them down. title: what is looked at, in a line.
    """

    doc_header = "what to type (help COMMAND says more; an empty line goes on)"
    ruler = ""

    def __init__(self, steps: Sequence[Step], title: str) -> None:
        super().__init__()
        self.steps, self.place = list(steps), 0
        told = "next, back, jump, list, source, values, debug, quit; help says more"
        self.intro = f"{textwrap.fill(title, self._width)}\n{len(self.steps)} operations: {told}\n"

    @property
    def step(self) -> Step:
        """The operation that the prompt stands at."""
        return self.steps[self.place]

    def cmdloop(self, intro: str | None = None) -> None:
        """Answer until `quit`. Ctrl-C ends what is being typed or shown, as in the debugger, and not the session."""
        while True:
            try:
                super().cmdloop(intro)
                return
            except KeyboardInterrupt:
                self._say("")
                intro = ""  # the first operation has been shown

    def preloop(self) -> None:
        """Show the first operation, below the title."""
        self.intro = f"{self.intro}\n{self._view()}"
        self._set_prompt()

    def postcmd(self, stop: bool, line: str) -> bool:
        """Let the prompt say where it stands."""
        self._set_prompt()
        return stop

    def emptyline(self) -> bool:
        """Go on to the next operation."""
        return bool(self.onecmd("next"))

    def default(self, line: str) -> None:
        """Say that there is no such command."""
        self._say(f"there is no command {line!r}: help lists them")

    def do_next(self, argument: str) -> None:
        """next: go on to the next operation (n, or an empty line)."""
        self._go(self.place + 1)

    def do_back(self, argument: str) -> None:
        """back: go back to the operation before (b)."""
        self._go(self.place - 1)

    def do_jump(self, argument: str) -> None:
        """jump PLACE: go to an operation by its number, or to the next of that name or layer: jump pool1 (j)."""
        if argument.isdecimal():
            self._go(int(argument) - 1)
            return
        onwards = [*range(self.place + 1, len(self.steps)), *range(self.place + 1)]
        found = [place for place in onwards if argument in (_where(self.steps[place]), self.steps[place].name)]
        if not argument or not found:
            self._say(f"there is no operation {argument!r}: list shows them all, by number, layer and name")
            return
        self._go(found[0])

    def do_list(self, argument: str) -> None:
        """list: show all operations, forward and backward, with what each returns (l)."""
        layers = max(len(_where(step)) for step in self.steps)
        names = max(len(step.name) for step in self.steps)
        for place, step in enumerate(self.steps):
            mark = "→" if place == self.place else " "
            returned = ", ".join(f"{name} {_shape(array)}" for name, array in step.returned().items())
            told = f"{_way(step):<8}  {_where(step):<{layers}}  {step.name:<{names}}"
            line = f"{mark}{place + 1:4}  {told}  {returned}"
            self._say("\n".join(textwrap.wrap(line, self._width, subsequent_indent=" " * 17)))

    def do_source(self, argument: str) -> None:
        """source: show the operation's formula as it is written (s)."""
        self._say(place_of(self._formula))
        self._say(textwrap.dedent(inspect.getsource(self._formula)).rstrip())

    def do_values(self, argument: str) -> None:
        """values NAME[INDEX]: show an array, or a part of it, as in values x[0, :, :, 2] (v)."""
        arrays = {**self.step.given(), **self.step.returned()}
        found = re.fullmatch(r"(\w+)\s*(\[.*\])?", argument)
        if found is None or not isinstance(arrays.get(found[1]), np.ndarray):
            self._say(f"name one of {', '.join(name for name, a in arrays.items() if isinstance(a, np.ndarray))}")
            return
        try:
            shown = arrays[found[1]][_index(found[2])] if found[2] else arrays[found[1]]
        except (IndexError, TypeError, ValueError) as error:
            self._say(f"{argument}: {error}")
            return
        self._say(np.array2string(np.asarray(shown), precision=4, suppress_small=True, max_line_width=self._width))

    def do_debug(self, argument: str) -> None:
        """debug: run the operation once more under Python's debugger, from its formula's first line (d).

        Its arguments are in scope, by their names: p x.shape. next and step go through it, continue ends it, quit
        leaves it; either way back to here.
        """
        given = {name: a.copy() if is_array(a) else a for name, a in self.step.given().items()}
        with use_kernels("reference"), suppress(BdbQuit):
            Debugger().runcall(self._formula, **given)
        self._say(f"back from the debugger, at operation {self.place + 1}, {self.step.name}")

    def do_quit(self, argument: str) -> bool:
        """quit: leave (q, or the end of the input)."""
        return True

    def do_EOF(self, argument: str) -> bool:
        """Leave at the end of the input."""
        self._say("")
        return True

    do_n, do_b, do_j, do_l, do_s, do_v, do_d, do_q = (
        do_next, do_back, do_jump, do_list, do_source, do_values, do_debug, do_quit
    )  # fmt: skip

    def get_names(self) -> list[str]:
        """Return the names of the commands that help lists: those of a word."""
        return [name for name in super().get_names() if len(name) > len("do_n") and name != "do_EOF"]

    @property
    def _formula(self) -> Callable[..., Any]:
        return self.step.operation.formula  # type: ignore[attr-defined]

    @property
    def _width(self) -> int:
        return max(NARROWEST, shutil.get_terminal_size().columns)

    def _go(self, place: int) -> None:
        if not 0 <= place < len(self.steps):
            self._say(f"there is none: the operations are 1 … {len(self.steps)}, this is {self.place + 1}")
            return
        self.place = place
        self._say(self._view())

    def _set_prompt(self) -> None:
        self.prompt = f"(step {self.place + 1}/{len(self.steps)}) "

    def _say(self, text: str) -> None:
        print(text, file=self.stdout)

    def _view(self) -> str:
        """Return the operation that the prompt stands at: formula, source, arrays with a part of each, memory."""
        step = self.step
        lines = [f"{_way(step)}  {_where(step)}: {step.name}   {place_of(self._formula)}"]
        for told in dict.fromkeys(formula_of(step.operation, name) for name in step.results):
            lines += textwrap.wrap(told, self._width, initial_indent="    ", subsequent_indent="      ")
        given = step.given().items()
        settings = ", ".join(f"{name}={value}" for name, value in given if not is_array(value) and value is not None)
        if settings:
            told = f"with {settings}"
            lines += textwrap.wrap(told, self._width, initial_indent="  ", subsequent_indent="    ")
        for what, arrays in (("gets", step.arguments), ("returns", step.results)):
            for name, snapshot in arrays.items():
                if isinstance(snapshot, Snapshot):
                    lines += self._array(what, name, snapshot.value)
        if step.inside:
            lines.append(f"  calls {', '.join(inner.name for inner in step.inside)}")
        lines.append(f"  memory: {self._memory()}")
        return "\n".join(lines)

    def _array(self, what: str, name: str, array: np.ndarray) -> list[str]:
        head = f"  {what} {name} {_shape(array)}, {array.dtype}"
        if not array.ndim:
            return [f"{head}: {array}"]
        where, part = _part(name, array)
        text = np.array2string(part, precision=4, suppress_small=True, max_line_width=self._width - 8)
        return [f"{head}, {_size(array.nbytes)}; {where}:", textwrap.indent(text, " " * 6)]

    def _memory(self) -> str:
        """Return in words what the operation makes, and what of the pass is there up to here."""
        made = sum(snapshot.value.nbytes for snapshot in self.step.results.values())
        before = {
            id(snapshot): snapshot.value.nbytes
            for step in self.steps[: self.place + 1]
            for snapshot in (*step.arguments.values(), *step.results.values())
            if isinstance(snapshot, Snapshot)
        }
        return f"{_size(made)} returned here, {_size(sum(before.values()))} of the pass so far"


def _where(step: Step) -> str:
    return step.layer or LOSS


def _way(step: Step) -> str:
    return "backward" if step.backward else "forward"


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape)) or "a number"


def _size(size: int) -> str:
    for unit, bytes_of in (("MiB", 2**20), ("KiB", 2**10)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size} bytes"


def _part(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    """Return a part of an array around its largest number, and what it is, as an index.

    Of pictures (N, H, W, C) it lies in height and width, and so it does of filters (KH, KW, C, F).
    """
    shown = {4: (0, 1) if name.endswith("weight") else (1, 2), 1: (0,)}.get(
        array.ndim, (array.ndim - 2, array.ndim - 1)
    )
    largest = np.unravel_index(np.abs(array.astype("float64")).argmax(), array.shape)
    part: list[int | slice] = [int(place) for place in largest]
    for axis, most in zip(shown[::-1], (ACROSS, DOWN), strict=False):
        start = min(max(int(largest[axis]) - 1, 0), max(array.shape[axis] - most, 0))
        part[axis] = slice(start, min(start + most, array.shape[axis]))
    told = ", ".join(f"{axis.start}:{axis.stop}" if isinstance(axis, slice) else str(axis) for axis in part)
    return f"{name}[{told}]", array[tuple(part)]


def _index(text: str) -> tuple[Any, ...]:
    """Return the index that "[0, :3, :, 2]" means. Raises ValueError for anything else than numbers and slices."""
    parts = []
    for part in text.strip("[] ").split(","):
        numbers = [int(number) if number.strip() else None for number in part.split(":")]
        parts.append(numbers[0] if len(numbers) == 1 else slice(*numbers))
    return tuple(parts)
