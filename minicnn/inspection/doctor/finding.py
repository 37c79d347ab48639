"""What a check finds: a verdict, the figure that it rests on, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any


class Verdict(Enum):
    """How bad it is; the values are what is printed, from good to bad."""

    FINE = "fine"
    LOOK = "look at this"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    figure: what was seen, in a few words with its numbers. advice: what to do, "" where all is fine. numbers: the
    figure's numbers by name, for programs.
    """

    verdict: Verdict
    figure: str
    advice: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return all of it in plain JSON values; a number that is not finite is null there."""
        numbers = {name: float(value) if isfinite(value) else None for name, value in self.numbers.items()}
        return {"verdict": self.verdict.value, "figure": self.figure, "advice": self.advice, "numbers": numbers}


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst of some verdicts, FINE of none."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.FINE)


def listed(names: list[str], most: int = 3) -> str:
    """Return names as a text, and beyond `most` how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
