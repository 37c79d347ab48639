"""`minicnn import`: weights that were trained in PyTorch, as a network's file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minicnn.cli.options import CHOICES, completion, one_of
from minicnn.errors import UsageError


def import_weights(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A PyTorch state dict: .safetensors, or .pth, which is not executed.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help=f"Which network it is of, as torchvision has it: {one_of(CHOICES['importable'])}.",
            show_default=False,
            autocompletion=completion("importable"),
        ),
    ],
    out: Annotated[str | None, typer.Option(help="The file to write. [MODEL.safetensors]", show_default=False)] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels; as the network's source has it if left out.", show_default=False)
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="A text file with a class on each line, in label order. Left out, 1000 classes are ImageNet's, and "
            "others are numbered.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Read weights from PyTorch, check every name and shape, and write a file that predict, evaluate and train take."""
    if image_size is not None and image_size < 1:
        raise UsageError(f"--image-size must be at least 1; got {image_size}")

    from minicnn.exchange.weights import read_weights
    from minicnn.runs.imported import import_weights
    from minicnn.runs.network_file import save_network

    path = Path(out or f"{model}.safetensors")
    if path.exists():
        raise UsageError(f"{path} exists: name another file with --out")
    facts, weights = import_weights(read_weights(file), model, image_size, class_names)
    net = facts.build(weights)
    save_network(net, facts, path)
    parameters = sum(parameter.value.size for parameter in net.parameters().values())
    print(f"{path}: {model}, {parameters:,} parameters, {len(facts.classes)} classes; minicnn predict {path} IMAGE")
