"""What the learner is told: one hint, and the numbers that show it."""

from __future__ import annotations

from typing import NamedTuple

from minicnn.inspection.exercises.language import Text


class Verdict(NamedTuple):
    """Whether a solution is right; the hint, or the praise; and lines of evidence below it."""

    passed: bool
    hint: Text
    evidence: tuple[Text, ...] = ()

    def said(self, language: str) -> str:
        """Return it as the lines to print."""
        return "\n".join([self.hint.said(language), *(f"  {text.said(language)}" for text in self.evidence)])
