"""`minicnn search`: many runs, to find good settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from minicnn.cli.options import completion
from minicnn.errors import UsageError


def search(
    data: Annotated[
        str, typer.Argument(help="As for `minicnn train`.", autocompletion=completion("data"), show_default=False)
    ],
    tried: Annotated[
        list[str],
        typer.Option(
            "--try",
            metavar="NAME=VALUES",
            help="A setting of `minicnn train` and what to try: lr=1e-4,1e-3,1e-2, or lr=1e-4..1e-1 with --trials; "
            "augment=none,flip,flip+crop. Again for each other setting.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="FOLDER", help="For the runs; the same command again goes on where it was stopped.",
            show_default=False,
        ),
    ],
    trials: Annotated[
        int, typer.Option(help="How many to draw at random; 0 tries all combinations.")
    ] = 0,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of all runs, such as epochs=5. Again for each other one.",
            show_default=False,
        ),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop/--no-stop", help="End runs that are worse than half of those before were by then.")
    ] = True,
) -> None:  # fmt: skip
    """Try settings, on a grid or at random, and show which did best."""
    from minicnn.runs.search import read_setting, read_space
    from minicnn.runs.settings import Settings

    space = read_space(tried)
    given = dict(read_setting(text) for text in fixed or [])
    if not out:
        raise UsageError("the name of the folder is empty: name one with --out")
    if "data" in given:
        raise UsageError("--set data=… would name the data twice: it stands behind `search`")
    Settings(data=data, **given)  # complains before anything is imported that takes long

    from minicnn.cli.run_table import print_runs
    from minicnn.runs import search as searching
    from minicnn.runs.display import make_progress

    progress = make_progress(sys.stdout)
    try:
        records = searching.search({"data": data, **given}, space, trials, Path(out), progress, stop)
    finally:
        progress.close()
    print_runs(records, list(space))
    print(f"see {out}/search.png; each run has its folder in {out}, the best is {records[0].path}")
