"""`minicnn ladder`: an operation as loops, as the formula, as a kernel, on the GPU: how equal, how much faster."""

from __future__ import annotations

from typing import Annotated

import typer

from minicnn.cli.json_output import print_json


def ladder(
    operation: Annotated[
        str | None,
        typer.Argument(
            metavar="OPERATION", help="Such as conv2d or max_pool2d_backward. [all of them]", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Compare an operation's loops, formula and kernels."""
    from rich.console import Console

    from minicnn import ops
    from minicnn.inspection.ladder import HEADING, LEGEND, climb

    if as_json:
        names = ops.__all__ if operation is None else [operation]
        print_json({"operations": [climb(name).to_json() for name in names]})
    elif operation is not None:
        with Console(stderr=True).status(f"{operation}: its loops may take half a minute"):
            found = climb(operation)
        print(found)
    else:
        print(HEADING)
        for name in ops.__all__:
            print(climb(name).line(), flush=True)
        print("loops: the time of a call; formula, kernel, GPU: how many times as fast")
        print(LEGEND[-1])
