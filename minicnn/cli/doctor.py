"""`minicnn doctor`: what is likely to be wrong with a network, its data or its settings, before it is trained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minicnn.cli.json_output import print_json
from minicnn.cli.options import CHOICES, completion, one_of
from minicnn.errors import UsageError
from minicnn.runs.settings import Settings

if TYPE_CHECKING:
    from minicnn.inspection.doctor import Part
    from minicnn.runs.run import Run

DEFAULTS = Settings()


def _setting(name: str, text: str) -> Any:
    """Return the option for a setting of the training, None unless given, so that a recipe's can count."""
    return typer.Option(
        f"--{name.replace('_', '-')}", help=f"{text} [{getattr(DEFAULTS, name)}]", show_default=False,
        autocompletion=completion(name) if name in CHOICES else None,
    )  # fmt: skip


def doctor(
    model: Annotated[
        str,
        typer.Argument(
            help=f"{one_of(CHOICES['model'])}; or a network of your own, FILE.py.", autocompletion=completion("model")
        ),
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            help=f"A named set ({one_of(CHOICES['data'])}) or a folder, as for `minicnn train`. [shapes]",
            show_default=False,
            autocompletion=completion("data"),
        ),
    ] = None,
    image_size: Annotated[int | None, _setting("image_size", "Side of the squares that pictures become.")] = None,
    batch_size: Annotated[int | None, _setting("batch_size", "Images a step.")] = None,
    optimizer: Annotated[str | None, _setting("optimizer", f"{one_of(CHOICES['optimizer'])}.")] = None,
    lr: Annotated[float | None, _setting("lr", "Learning rate.")] = None,
    momentum: Annotated[float | None, _setting("momentum", "Momentum of sgd.")] = None,
    normalize: Annotated[str | None, _setting("normalize", f"{one_of(CHOICES['normalize'])}.")] = None,
    seed: Annotated[int | None, _setting("seed", "Of weights, order, split and choice.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Take the other settings of `minicnn train` from this file; see there.",
            show_default=False,
        ),
    ] = None,
    most: Annotated[int, typer.Option(help="Pictures of each part to look at, at most; chosen at random.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:  # fmt: skip
    """Examine a network, data and settings before training: what looks wrong, how one sees it, what to do.

    Everything that usually goes wrong is looked at, as `minicnn train` with these settings would begin. It takes as
    long as some hundreds of its steps, and writes nothing. The exit code is 0 whatever is found (--json tells
    programs), and 2 where nothing can be examined.
    """
    if most < 1:
        raise UsageError(f"--most should be at least 1; got {most}")
    given = {"model": model, "data": data, "image_size": image_size, "batch_size": batch_size, "optimizer": optimizer,
             "lr": lr, "momentum": momentum, "normalize": normalize, "seed": seed}  # fmt: skip
    given = _recipe(recipe) | {name: value for name, value in given.items() if value is not None}

    from minicnn.inspection.doctor import CHECKS, Subject, run_checks
    from minicnn.inspection.doctor.table import finding_table, summary_line
    from minicnn.runs.run import Run
    from minicnn.runs.transfer import with_those_of_init

    settings = Settings(**with_those_of_init(given))
    run = Run.prepare(settings.changed(device="cpu", tensorboard=False))
    subject = Subject(
        run.trainer, run.training, _part(run, "train", most), _part(run, "validation", most), run.splits.class_names
    )
    findings = {}
    for number, (name, finding) in enumerate(run_checks(subject), start=1):
        findings[name] = finding
        if sys.stderr.isatty():
            print(f"\r\033[K{number} of {len(CHECKS)} checks", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if as_json:
        found = {name: finding.to_json() for name, finding in findings.items()}
        print_json({"model": settings.model, "data": settings.data, "checks": found})
        return

    from rich.console import Console

    print(f"{run.title}, {settings.image_size}×{settings.image_size} pixels; {settings.optimizer}, "
          f"learning rate {settings.lr:g}, batches of {settings.batch_size}")  # fmt: skip
    Console(width=max(80, Console().width)).print(finding_table(findings))
    print(summary_line(findings))


def _recipe(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    from minicnn.runs.recipe import read_recipe

    return read_recipe(path)


def _part(run: Run, name: str, most: int) -> Part:
    """Return the pictures of a part of the data, or `most` of them chosen at random, as they are evaluated on."""
    import numpy as np

    from minicnn.data import Loader
    from minicnn.inspection.doctor import Part

    whole = getattr(run.splits, name)
    images = whole
    if len(whole) > most:
        images = whole.subset(np.sort(np.random.default_rng(run.settings.seed).choice(len(whole), most, replace=False)))
    loader = Loader(images, run.settings.batch_size, run.transform, workers=run.settings.workers, cache=False)

    def names() -> list[str]:
        unreadable = {entry.path for entry in images.skipped}
        return [str(path.relative_to(run.splits.folder)) for path in images.paths if path not in unreadable]

    return Part(whole.labels, loader, names)
