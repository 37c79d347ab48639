"""`minicnn train`: learn from images."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minicnn.cli.options import CHOICES, completion, one_of
from minicnn.errors import UsageError
from minicnn.runs.settings import Settings

if TYPE_CHECKING:
    from minicnn.runs.run import Run
    from minicnn.training.progress import Progress

DEFAULTS = {field.name: field.default for field in fields(Settings) if field.name != "fold"}  # see --folds
# When a run is taken up again; model names its own network.
CHANGEABLE = ("epochs", "patience", "workers", "device", "tensorboard", "model")


def _option(name: str, text: str) -> Any:
    """Return the option for a setting. It is None unless given, so that --resume can tell what was asked for."""
    default = f" [{DEFAULTS[name]}]" if DEFAULTS[name] != "" else ""  # what no text means, `text` says
    return typer.Option(
        _option_name(name), help=f"{text}{default}", show_default=False,
        autocompletion=completion(name) if name in CHOICES else None,
    )  # fmt: skip


def _switch(name: str, text: str) -> Any:
    """Return the option for a setting that is on or off; off is for what a recipe has on."""
    option = _option_name(name)
    return typer.Option(f"{option}/--no-{option.removeprefix('--')}", help=f"{text} [off]", show_default=False)


def _option_name(setting: str) -> str:
    return "DATA" if setting == "data" else f"--{setting.replace('_', '-')}"


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help=f"A set from `minicnn data list` ({one_of(CHOICES['data'])}), or a folder: train/ and val/ (or test/) "
            "with a folder a class in each, or just a folder a class. [shapes, which minicnn draws itself]",
            show_default=False,
            autocompletion=completion("data"),
        ),
    ] = None,
    classes: Annotated[
        str | None,
        _option(
            "classes",
            "Which classes: 10 for the first ten, a file with one a line, or a,b,c; called by folder or name. [all]",
        ),
    ] = None,
    per_class: Annotated[
        int | None, _option("per_class", "Training images of each class at most, chosen at random; 0 for all.")
    ] = None,
    model: Annotated[
        str | None,
        _option(
            "model",
            f"Network: {one_of(CHOICES['model'])}; or FILE.py (FILE.py:FUNCTION), a function of your own that takes "
            "the number of classes and returns a list of layers.",
        ),
    ] = None,
    image_size: Annotated[
        int | None, _option("image_size", "Side of the square to which images are squashed, in pixels.")
    ] = None,
    epochs: Annotated[int | None, _option("epochs", "Passes over the training images.")] = None,
    batch_size: Annotated[int | None, _option("batch_size", "Images a step.")] = None,
    optimizer: Annotated[str | None, _option("optimizer", f"{one_of(CHOICES['optimizer'])}.")] = None,
    lr: Annotated[float | None, _option("lr", "Learning rate (the highest one, where a schedule moves it).")] = None,
    momentum: Annotated[float | None, _option("momentum", "Momentum of sgd.")] = None,
    nesterov: Annotated[
        bool | None, _switch("nesterov", "Let sgd take each gradient's step ahead along its momentum.")
    ] = None,
    weight_decay: Annotated[float | None, _option("weight_decay", "L2 penalty, added to the gradient.")] = None,
    schedule: Annotated[
        str | None, _option("schedule", f"How the learning rate moves: {one_of(CHOICES['schedule'])}.")
    ] = None,
    warmup: Annotated[
        float | None, _option("warmup", "Share of all steps over which the learning rate first rises.")
    ] = None,
    label_smoothing: Annotated[
        float | None, _option("label_smoothing", "Part of each label that is spread over all classes.")
    ] = None,
    class_weights: Annotated[
        str | None,
        _option("class_weights", "none, or balanced: rare classes count as much as common ones."),
    ] = None,
    mixup: Annotated[
        float | None, _option("mixup", "Mix pictures and labels, by shares from Beta(this, this), such as 0.2.")
    ] = None,
    cutmix: Annotated[
        float | None, _option("cutmix", "Paste parts of pictures into others, and mix the labels alike; such as 1.")
    ] = None,
    clip_norm: Annotated[
        float | None, _option("clip_norm", "Largest norm of all gradients together; 0 clips nothing.")
    ] = None,
    accumulate: Annotated[
        int | None, _option("accumulate", "Batches that make a step, as one large batch that needs more memory.")
    ] = None,
    ema: Annotated[
        float | None,
        _option("ema", "Validate and keep an average of the weights that forgets by this a step, such as 0.999."),
    ] = None,
    lookahead: Annotated[
        int | None,
        _option("lookahead", "Steps, such as 5, after which the weights go back to an average, which is validated."),
    ] = None,
    whiten: Annotated[
        bool | None, _switch("whiten", "Compute the first convolution from pictures rather than learn it.")
    ] = None,
    patience: Annotated[
        int | None,
        _option("patience", "Epochs without a better validation accuracy after which to stop early; 0 never does."),
    ] = None,
    test_flip: Annotated[
        bool | None,
        _switch("test_flip", "Judge validation images by the mean of the logits of each and its mirror."),
    ] = None,
    augment: Annotated[
        str | None,
        _option(
            "augment", f"Random changes to training images, joined by commas: {', '.join(CHOICES['augment'])}; or none."
        ),
    ] = None,
    normalize: Annotated[
        str | None,
        _option(
            "normalize",
            f"Pixels: {one_of(CHOICES['normalize'])}; imagenet also takes off its mean and divides by its deviation.",
        ),
    ] = None,
    fit: Annotated[
        str | None,
        _option(
            "fit",
            f"How pictures become squares: {one_of(CHOICES['fit'])}; crop takes the middle of what is not squashed.",
        ),
    ] = None,
    init: Annotated[
        str | None,
        _option(
            "init",
            f"Start from trained weights: {one_of(CHOICES['pretrained'])}, a network's file, or a run; --model, "
            "--image-size, --normalize and --fit are then its own unless given.",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        _option(
            "freeze",
            "Layers that stay as they are: all (but the last), or patterns of their names joined by commas, such as "
            "conv*,residual1.",
        ),
    ] = None,
    unfreeze_at: Annotated[int | None, _option("unfreeze_at", "Epoch from which all layers learn; 0: never.")] = None,
    rates: Annotated[
        str | None,
        _option("rates", "Factors on the learning rate, PATTERN=FACTOR joined by commas, such as dense*=10."),
    ] = None,
    prune: Annotated[
        float | None,
        _option(
            "prune", "Share of the weights that become zero, the smallest first, such as 0.8; the others learn on."
        ),
    ] = None,
    prune_scope: Annotated[
        str | None,
        _option(
            "prune_scope",
            f"Compare the weights of all layers, or prune the same share of each: {one_of(CHOICES['prune_scope'])}.",
        ),
    ] = None,
    prune_until: Annotated[
        float | None,
        _option("prune_until", "Share of all steps over which more and more are pruned; 0 prunes all at once."),
    ] = None,
    seed: Annotated[int | None, _option("seed", "Of weights, order, augmentation, dropout, split, choice.")] = None,
    workers: Annotated[int | None, _option("workers", "Threads that read images; changes no result.")] = None,
    device: Annotated[str | None, _option("device", "cpu, gpu, or auto (a GPU where there is one).")] = None,
    tf32: Annotated[
        bool | None,
        _switch(
            "tf32",
            "On Ampere GPUs and newer, multiply matrices with 10 bits of mantissa, which is faster; else with "
            "float32's 23. No effect on the cpu.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool | None, _switch("tensorboard", "Write event files for TensorBoard too, into the run's folder.")
    ] = None,
    strict: Annotated[bool | None, _switch("strict", "Refuse files that are no images; else skip them.")] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Folder for the run: settings, metrics, weights, pictures. [runs/DATA-MODEL-1, -2, …]",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Cross-validation: so many runs, each validated on another part of the training images, in folders "
            "of --out; the same command again goes on where it was stopped.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Take settings from this file, such as examples/recipes/shapes.toml; DATA and options given here hold "
            "against it.",
            show_default=False,
        ),
    ] = None,
    find_lr: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE",
            help="Instead of training, take 100 steps at rising learning rates, and draw their losses and the rate "
            "that they suggest into this file, such as lr-finder.png.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with the run in this folder, bit by bit as if it had never stopped. Only --epochs, "
            "--patience, --workers, --device and --tensorboard may stand beside it, and --model FILE.py for a network "
            "of your own.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Learn from images; keep all in a folder."""
    options = locals()
    given = {name: options[name] for name in DEFAULTS if options[name] is not None}
    elsewhere = {"--out": out, "--folds": folds, "--recipe": recipe, "--find-lr": find_lr}
    refused = [_option_name(name) for name in given if name not in CHANGEABLE]
    refused += [name for name, value in elsewhere.items() if value is not None]
    if resume is not None and refused:
        raise UsageError(f"--resume goes on with the run's own settings: leave out {', '.join(refused)}")
    if find_lr is not None and (out is not None or folds is not None):
        raise UsageError("--find-lr makes no run, and so no folder for it: leave out --out and --folds")
    if folds is not None and not out:
        raise UsageError("--folds makes several runs: name a folder for them with --out")
    if resume is not None:
        _resume(resume, given)
        return
    if recipe is not None:
        from minicnn.runs.recipe import read_recipe

        given = read_recipe(recipe) | given
    settings = Settings(**given)  # complains before anything is imported that takes long
    if settings.init:
        from minicnn.runs.transfer import with_those_of_init

        settings = Settings(**with_those_of_init(given))
    if find_lr is not None:
        _find_lr(settings, find_lr)
    elif folds is not None:
        _cross_validate(settings, folds, str(out))
    else:
        _start(settings, out)


def _start(settings: Settings, out: str | None) -> None:
    from minicnn.runs.ahead import start_compiled

    _train(lambda progress: start_compiled(settings, out, progress))


def _resume(path: str, changes: dict[str, Any]) -> None:
    from minicnn.runs.run import Run

    _train(lambda progress: Run.resume(path, progress, **changes))


def _train(prepare: Callable[[Progress], Run]) -> None:
    from minicnn.runs.display import make_progress

    progress = make_progress(sys.stdout)
    try:
        run = prepare(progress)
        result = run.train()
    finally:
        progress.close()
    for line in run.describe_result(result):
        print(line)


def _cross_validate(settings: Settings, folds: int, out: str) -> None:
    from minicnn.runs.cross_validation import cross_validate
    from minicnn.runs.display import make_progress

    progress = make_progress(sys.stdout)
    try:
        result = cross_validate(settings, folds, Path(out), progress)
    finally:
        progress.close()
    print(f"{result.describe()}; see {out}/compare.png")


def _find_lr(settings: Settings, picture: str) -> None:
    from minicnn.files import picture_file
    from minicnn.runs.rate_search import search_rate

    curve = search_rate(settings, str(picture_file(picture)))
    print(
        f"the loss falls fastest at a learning rate of {curve.suggestion:.2g}, after {len(curve.rates)} rates from "
        f"{curve.rates[0]:.2g} to {curve.rates[-1]:.2g}: see {picture}"
    )
