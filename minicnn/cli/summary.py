"""`minicnn summary`: a network's layers and what each of them costs."""

from __future__ import annotations

from typing import Annotated

import typer

from minicnn.cli.options import CHOICES, completion, one_of


def summary(
    model: Annotated[
        str,
        typer.Argument(
            help=f"{one_of(CHOICES['model'])}; or a network of your own, FILE.py.", autocompletion=completion("model")
        ),
    ],
    image_size: Annotated[
        int | None, typer.Option(help="Side of the square images, in pixels. [as in its source]", show_default=False)
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="How many outputs. [as in its source]", show_default=False)
    ] = None,
) -> None:
    """Show a network's layers and their costs."""
    from rich.console import Console

    from minicnn import models
    from minicnn.errors import UsageError
    from minicnn.inspection import summarize

    for name, value in (("--image-size", image_size), ("--classes", classes)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1; got {value}")
    shape = (image_size, image_size, 3) if image_size is not None else None
    Console().print(summarize(models.outline(model, shape, classes)).rich_table())
