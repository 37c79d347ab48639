"""`minicnn gradcheck`: every gradient against finite differences."""

from __future__ import annotations

from typing import Annotated

import typer

from minicnn.cli.options import CHOICES, completion, one_of


def gradcheck(
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Check this network as well, on a small image: {one_of(CHOICES['model'])}; or your own, FILE.py.",
            show_default=False,
            autocompletion=completion("model"),
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, samples and the elements looked at.")] = 0,
) -> None:
    """Check gradients by finite differences.

    Every kind of layer, and a network if one is named: by the formulas and by the kernels, unless MINICNN_KERNELS asks
    for one of them. The first line says which files are checked. Exit code 1 if a gradient is wrong.
    """
    from minicnn.inspection import check_everything, checked_files, coverage

    checks = check_everything(model=model, seed=seed)
    print(f"checking {checked_files()}", flush=True)
    failed, reports = 0, []
    for name, report in checks:
        reports.append(report)
        print(f"{'passed' if report.passed else 'FAILED'}  {report.max_relative_error:.1e}  {name}", flush=True)
        if not report.passed:
            failed += 1
            print(report.describe())
    reached = coverage(reports)
    if reached.kernels:
        print(f"kernels that ran: {', '.join(reached.kernels)}")
    if reached.formulas_alone:
        print(f"kernels that took no array of these checks: {', '.join(reached.formulas_alone)}")
    if reached.missed:
        failed += 1
        print(f"FAILED  no layer's examples lead to {', '.join(reached.missed)}: nothing of that was checked")
    print("every gradient agrees with finite differences" if not failed else f"{failed} wrong")
    raise typer.Exit(1 if failed else 0)
