"""What a gradient check found: one line an array, and a verdict with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from minicnn.inspection.finite_differences import Index

TOLERANCE = 1e-6  # float64 differences are good to about 1e-9; a mistake in a formula is seldom below 1e-3
MOST_LEFT_OUT = 0.5  # of an array's elements; with more, too little was checked


@dataclass(frozen=True)
class ArrayCheck:
    """The gradient of one array, backward's against the numeric one.

    The relative error of an element is |analytic − numeric| / max(|analytic|, |numeric|, 0.01 · largest of the array).
    `worst`, `analytic` and `numeric` are the index and the two values of the element with the largest one. `factor`
    is analytic / numeric where that is the same for all elements and not 1: the fingerprint of a wrong scale or sign.
    `left_out` counts the elements without a numeric gradient, on a kink or where rounding hides the slope.
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

    def problem(self, tolerance: float) -> str | None:
        """Return in one line why this array does not pass, or None."""
        if self.left_out > MOST_LEFT_OUT * (self.checked + self.left_out):
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


@dataclass(frozen=True)
class GradientReport:
    """The checks of all arrays: the input "x" and every parameter by name."""

    checks: tuple[ArrayCheck, ...]
    tolerance: float = TOLERANCE

    @property
    def max_relative_error(self) -> float:
        """The largest relative error of all elements that were checked."""
        return max(check.max_relative_error for check in self.checks)

    @property
    def worst(self) -> tuple[str, Index]:
        """The array and the index with the largest relative error."""
        check = max(self.checks, key=lambda check: check.max_relative_error)
        return check.name, check.worst

    @property
    def problems(self) -> list[str]:
        """Why the check does not pass, one line an array; empty if it does."""
        return [problem for check in self.checks if (problem := check.problem(self.tolerance)) is not None]

    @property
    def passed(self) -> bool:
        """Whether every array was checked, is alive, and agrees within the tolerance."""
        return not self.problems

    def describe(self) -> str:
        """Return the verdict, the reasons if it is a bad one, and a line for each array."""
        name, index = self.worst
        verdict = "passed" if self.passed else "FAILED"
        lines = [
            f"gradient check {verdict}: largest relative error {self.max_relative_error:.2g} at {name}{list(index)}"
        ]
        lines += [f"  ! {problem}" for problem in self.problems]
        width = max(len(check.name) for check in self.checks)
        for check in self.checks:
            left_out = f", {check.left_out} on a kink or too flat left out" if check.left_out else ""
            lines.append(
                f"    {check.name:{width}}  {check.max_relative_error:8.2g}  {check.checked} elements of "
                f"{'×'.join(map(str, check.shape)) or 'one number'}{left_out}"
            )
        return "\n".join(lines)
