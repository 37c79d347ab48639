"""What a gradient check found: for each part of a network and each array a line, and a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minicnn.dispatch import chosen_mode
from minicnn.inspection.finite_differences import Index

TOLERANCE = 1e-6  # float64 differences are good to about 1e-9; a mistake in a formula is seldom below 1e-3
MOST_LEFT_OUT = 0.5  # of an array's elements; with more, too little was checked
MOST_LEFT_OUT_INSIDE = 0.9  # likewise inside a network, where a pool reads the many equal zeros that a ReLU wrote
WORDS = {"reference": "formulas", "fast": "kernels"}


@dataclass(frozen=True)
class ArrayCheck:
    """The gradient of one array, backward's against the numeric one.

    The relative error of an element is |analytic − numeric| / max(|analytic|, |numeric|, 0.01 · largest of the array).
    `worst`, `analytic` and `numeric` are the index and the two values of the element with the largest one. `factor`
    is analytic / numeric where that is the same for all elements and not 1: the fingerprint of a wrong scale or sign.
    `left_out` counts the elements without a numeric gradient, on a kink or where rounding hides the slope. `missing`:
    backward gave the array no gradient at all. `zero`: both gradients are zero everywhere. `cancels`: they have to be,
    since the layers behind take away again what the array does, as batch norm does with the bias before it.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    left_out: int
    max_relative_error: float
    worst: Index
    analytic: float
    numeric: float
    zero: bool
    factor: float | None
    missing: bool = False
    cancels: bool = False

    def problem(self, tolerance: float, most_left_out: float = MOST_LEFT_OUT) -> str | None:
        """Return in one line why this array does not pass, or None."""
        if self.missing:
            return (
                f"{self.name}: backward gives it no gradient (None); at {list(self.worst)} differences give "
                f"{self.numeric:.6g}"
            )
        if self.cancels:
            return None
        if self.left_out > most_left_out * (self.checked + self.left_out):
            return (
                f"{self.name}: {self.left_out} of {self.checked + self.left_out} elements sit on a kink, where there "
                "is no gradient, or where rounding hides it: check at another seed, or with weights that are larger"
            )
        if self.zero:
            return (
                f"{self.name}: both gradients are zero everywhere, so nothing was checked: the network is dead there "
                "(zero weights, ReLUs that never fire, saturated units), or this array is not used"
            )
        if not self.max_relative_error < tolerance:
            text = (
                f"{self.name}: relative error {self.max_relative_error:.2g} at {list(self.worst)}: backward gives "
                f"{self.analytic:.6g}, differences give {self.numeric:.6g}"
            )
            return text if self.factor is None else f"{text}; every element is {self.factor:.4g} times its true value"
        return None

    def cells(self) -> tuple[str, ...]:
        """Return the array's line: name, error, both values of the worst element, where that is, how many there are."""
        remark = f", {self.left_out} on a kink or too flat left out" if self.left_out else ""
        remark += ", zero: the layers behind cancel it" if self.cancels else ""
        return (
            self.name, f"{self.max_relative_error:.2g}", f"{self.analytic:.6g}", f"{self.numeric:.6g}",
            str(list(self.worst)),
            f"{self.checked} elements of {'×'.join(map(str, self.shape)) or 'one number'}{remark}",
        )  # fmt: skip


@dataclass(frozen=True)
class PartCheck:
    """The check of one part of a network by itself, or of the whole: of its input and of all its parameters.

    layers: the dotted names of its layers, several where they run as one; ("",) is the whole. evaluation: whether it
    was checked as it computes in evaluation, and not in training. fault: why it could not be checked, or what is wrong
    beside its gradients.
    """

    layers: tuple[str, ...]
    checks: tuple[ArrayCheck, ...] = ()
    evaluation: bool = False
    fault: str | None = None

    @property
    def name(self) -> str:
        """The names of its layers: "conv1 + relu1 + pool1"; "" for the whole."""
        return " + ".join(self.layers)

    @property
    def title(self) -> str:
        """What was checked, in words."""
        what = f"{self.name} by {'themselves, as one' if len(self.layers) > 1 else 'itself'}" if self.name else "whole"
        return f"{what}, in evaluation" if self.evaluation else what

    def contains(self, other: PartCheck) -> bool:
        """Return whether `other` lies inside this part."""
        if not self.name:
            return bool(other.name)
        return all(any(inner.startswith(f"{outer}.") for outer in self.layers) for inner in other.layers)

    def problems(self, tolerance: float) -> list[str]:
        """Return why it does not pass, a line an array."""
        most = MOST_LEFT_OUT_INSIDE if self.name else MOST_LEFT_OUT
        found = [problem for check in self.checks if (problem := check.problem(tolerance, most)) is not None]
        if self.fault is None:
            return found
        return [f"{self.name}: {self.fault}" if self.name else self.fault, *found]


@dataclass(frozen=True)
class Ran:
    """Which operations ran while gradients were computed: by a kernel, by the formula, by that despite a kernel.

    A kernel may leave an operation to the formula, such as one on arrays too small to be worth it.
    """

    kernels: frozenset[str] = frozenset()
    formulas: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()

    def __or__(self, other: Ran) -> Ran:
        """Return what ran in either."""
        return Ran(self.kernels | other.kernels, self.formulas | other.formulas, self.declined | other.declined)


@dataclass(frozen=True)
class ModeCheck:
    """The checks in one mode, "reference" (by the formulas) or "fast" (by the kernels), part by part, then the whole.

    ran: the operations that were checked. parts: empty where no kernel takes part, so that all is as by the formulas.
    """

    mode: str
    ran: Ran
    parts: tuple[PartCheck, ...]

    def at_fault(self, tolerance: float) -> list[PartCheck]:
        """Return the parts that do not pass, without those that only contain one that does not."""
        failed = [part for part in self.parts if part.problems(tolerance)]
        return [part for part in failed if not any(part.contains(other) for other in failed)]

    def title(self) -> str:
        """Return the mode in words, with the operations that were checked."""
        if self.mode == "reference":
            return "by the formulas"
        if not self.parts:
            return "by the kernels: as by the formulas, since none takes arrays this small, or of this kind"
        declined = self.ran.declined - self.ran.kernels
        text = f"by the kernels of {', '.join(sorted(self.ran.kernels))}"
        return f"{text}; none took the arrays of {', '.join(sorted(declined))}" if declined else text


@dataclass(frozen=True)
class GradientReport:
    """All checks of a layer or network: in each mode, each of its parts by itself, and the whole."""

    modes: tuple[ModeCheck, ...]
    tolerance: float = TOLERANCE

    @property
    def checks(self) -> list[ArrayCheck]:
        """The checks of all arrays: the input "x" and every parameter by name, in every part and mode."""
        return [check for mode in self.modes for part in mode.parts for check in part.checks]

    @property
    def at_fault(self) -> list[str]:
        """The names of the layers (or layers that run as one) that are wrong; "" for the whole, if no part of it is."""
        return list(dict.fromkeys(part.name for mode in self.modes for part in mode.at_fault(self.tolerance)))

    @property
    def max_relative_error(self) -> float:
        """The largest relative error of all elements that were checked, in the layers at fault if there are any."""
        return max((check.max_relative_error for check in self._telling_checks()), default=0.0)

    @property
    def worst(self) -> tuple[str, Index]:
        """The array and the index with that error."""
        check = max(self._telling_checks(), key=lambda check: check.max_relative_error)
        return check.name, check.worst

    @property
    def problems(self) -> list[str]:
        """Why the check does not pass: a line for each array of the layers at fault; empty if it does."""
        return [
            f"{problem} ({WORDS[mode.mode]}, {part.title})"
            for mode in self.modes
            for part in mode.at_fault(self.tolerance)
            for problem in part.problems(self.tolerance)
        ]

    @property
    def passed(self) -> bool:
        """Whether every array was checked, is alive, and agrees within the tolerance."""
        return not self.problems

    def describe(self) -> str:
        """Return which files were checked, the verdict, the reasons if it is a bad one, and a line for each array."""
        name, index = self.worst
        where = f"{name}{list(index)}"
        at_fault = " and ".join(part for part in self.at_fault if part)
        verdict = "passed" if self.passed else f"FAILED{f' at {at_fault}' if at_fault else ''}"
        lines = [
            f"gradient check of {checked_files([mode.mode for mode in self.modes])}: {verdict}",
            f"largest relative error {self.max_relative_error:.2g} at {where}, tolerance {self.tolerance:g}",
            *(f"  ! {problem}" for problem in self.problems),
        ]
        header = ("", "error", "backward", "differences", "at", "")
        rows = [header, *(check.cells() for check in self.checks)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines.append(f"    {_row(header, widths)}")
        for mode in self.modes:
            lines.append(mode.title())
            for part in mode.parts:
                lines += [f"  {part.title}", *(f"    {_row(check.cells(), widths)}" for check in part.checks)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from minicnn.inspection.notebook import report_html

        return report_html(self)

    def _telling_checks(self) -> list[ArrayCheck]:
        wrong = [part for mode in self.modes for part in mode.at_fault(self.tolerance)]
        return [check for part in wrong for check in part.checks] or self.checks


def checked_files(modes: Sequence[str] | None = None) -> str:
    """Return in words which files a check in these modes judges, in those in force if None: of the package imported."""
    package = Path(__file__).parents[1]
    rooms = {"reference": "its formulas (ops)", "fast": "its kernels (kernels)"}
    return f"{package}, {' and '.join(rooms[mode] for mode in modes or modes_in_force())}"


def modes_in_force() -> tuple[str, ...]:
    """Return the modes that a check runs in: both, unless `use_kernels` or MINICNN_KERNELS asks for one."""
    chosen = chosen_mode()
    return ("reference", "fast") if chosen is None else (chosen,)


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *numbers, last = (
        f"{cell:{'<' if column == 0 else '>'}{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((first, *numbers, last.strip())).rstrip()
