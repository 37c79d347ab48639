"""What options may be: the names in the registries, for help texts and the Tab key; and options of several verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from minicnn.data import NAMED_DATASETS
from minicnn.models import MODELS
from minicnn.models.pretrained import PACKAGES
from minicnn.runs.pixels import AUGMENTATIONS, FITS, NORMALIZATIONS
from minicnn.training.calibration import METHODS
from minicnn.training.optimizers import OPTIMIZERS
from minicnn.training.pruning import SCOPES
from minicnn.training.schedules import SCHEDULES

CHOICES: dict[str, tuple[str, ...]] = {
    "data": tuple(NAMED_DATASETS),
    "model": tuple(MODELS),
    "optimizer": tuple(OPTIMIZERS),
    "schedule": tuple(SCHEDULES),
    "augment": tuple(AUGMENTATIONS),
    "normalize": tuple(NORMALIZATIONS),
    "fit": tuple(FITS),
    "device": ("cpu", "gpu", "auto"),
    "checkpoint": ("best", "last"),
    "part": ("validation", "test", "train"),
    "format": ("onnx", "safetensors"),
    "prune_scope": SCOPES,
    "calibration": METHODS,
    "init": tuple(PACKAGES),
    "pretrained": tuple(PACKAGES),
    "looked at": (*PACKAGES, *MODELS),
    "importable": tuple(name for name, model in MODELS.items() if model.torch_names is not None),
}


def one_of(names: Iterable[str]) -> str:
    """Return names as a sentence has them: adam, sgd or lion."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def completion(option: str) -> Callable[[str], list[str]]:
    """Return the function that completes what is typed for `option`; of a list joined by commas, its last name."""

    def complete(incomplete: str) -> list[str]:
        before, comma, name = incomplete.rpartition(",") if option == "augment" else ("", "", incomplete)
        return [before + comma + choice for choice in CHOICES[option] if choice.startswith(name)]

    return complete


Checkpoint = Annotated[
    str | None,
    typer.Option(
        help=f"Which weights of a run: {one_of(CHOICES['checkpoint'])}. [best]", show_default=False,
        autocompletion=completion("checkpoint"),
    ),
]  # fmt: skip
Device = Annotated[str, typer.Option(help=f"{one_of(CHOICES['device'])}.", autocompletion=completion("device"))]
Trained = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help=f"The folder of a training run, a network's file (.safetensors), or {one_of(PACKAGES)}, which know "
        "ImageNet's 1000 classes.",
        autocompletion=completion("pretrained"),
    ),
]
OwnNetwork = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.py",
        help="The network of your own that the weights were trained with, such as RUN/FILE.py: it is code, and is only "
        "executed when you name it.",
        show_default=False,
    ),
]
RunOrModel = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL",
        help=f"The folder of a training run, a network's file (.safetensors), {one_of(PACKAGES)}; or a network that "
        "has learnt nothing, by its name (`minicnn summary --help` lists them) or FILE.py.",
        autocompletion=completion("looked at"),
    ),
]
Image = Annotated[
    str | None, typer.Argument(metavar="IMAGE", help="An image file. [a shape is drawn]", show_default=False)
]
Label = Annotated[
    str | None,
    typer.Option(help="What the image shows, by name or number. [what the network says]", show_default=False),
]
Training = Annotated[
    bool, typer.Option("--training", help="As in training: dropout, and batch norm by the picture's own statistics.")
]
UntrainedSize = Annotated[
    int | None,
    typer.Option(
        "--image-size", help="Of a MODEL: side of the images, in pixels. [as in its source]", show_default=False
    ),
]
UntrainedClasses = Annotated[
    int | None, typer.Option("--classes", help="Of a MODEL: how many classes. [as in its source]", show_default=False)
]
UntrainedSeed = Annotated[int, typer.Option("--seed", help="Of a MODEL: for its weights.")]
