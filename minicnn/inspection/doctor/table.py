"""What the doctor found as a table for a terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from minicnn.inspection.doctor.finding import Finding, Verdict

WIDTH = 80
STYLES = {Verdict.FINE: "green", Verdict.LOOK: "yellow", Verdict.BROKEN: "bold red"}


def finding_table(findings: Mapping[str, Finding]) -> Table:
    """Return a row for each check: its verdict, the figure, and under it what to do. findings: by the check's name."""
    table = Table(box=SIMPLE_HEAD, width=WIDTH, pad_edge=False, show_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("figure, and what to do")
    for name, finding in findings.items():
        figure = Text(finding.figure)
        if finding.advice:
            figure.append(f"\n→ {finding.advice}")
        table.add_row(name, Text(finding.verdict.value, STYLES[finding.verdict]), figure)
    return table


def summary_line(findings: Mapping[str, Finding]) -> str:
    """Return how many checks came out how."""
    verdicts = [finding.verdict for finding in findings.values()]
    return ", ".join(f"{verdicts.count(verdict)} {verdict.value}" for verdict in Verdict if verdict in verdicts)
