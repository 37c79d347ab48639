"""Pictures of runs: how loss and accuracy went, which classes are taken for which, which learning rates teach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minicnn.figures import drawable, save_figure, shortened
from minicnn.training.history import Epoch, best_epoch
from minicnn.training.lr_finder import RateCurve

if TYPE_CHECKING:  # Matplotlib takes as long to import as everything else together: only when something is drawn
    from minicnn.runs.comparison import RunRecord

COUNTS_SHOWN = 20  # classes: with more of them, a number does not fit into its cell


def draw_curves(history: Sequence[Epoch], path: Path, title: str) -> None:
    """Draw loss and accuracy over the epochs, of training and of validation, into a PNG.

    The training values are means over an epoch, in which the network changes; it is validated as it is at the end.
    Raises UsageError when the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    marker = "o" if len(history) < 30 else None
    training, validation = "training, mean over the epoch", "validation, after the epoch"
    loss.plot(epochs, [row.train_loss for row in history], marker=marker, markersize=3, label=training)
    loss.plot(epochs, [row.val_loss for row in history], marker=marker, markersize=3, label=validation)
    accuracy.plot(epochs, [row.train_accuracy for row in history], marker=marker, markersize=3, label=training)
    accuracy.plot(epochs, [row.val_accuracy for row in history], marker=marker, markersize=3, label=validation)
    best = best_epoch(history)
    best_text = f"best validation: {best.val_accuracy:.1%} after epoch {best.epoch}"
    accuracy.axhline(best.val_accuracy, color="gray", linewidth=1, linestyle=":", label=best_text)
    accuracy.set_title("accuracy")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    accuracy.set_ylim(0, 1.02)
    loss.set_title("loss in nats")
    loss.set_ylim(0, 1.05 * max(max(row.train_loss, row.val_loss) for row in history))
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.set_xlim(0.5, max(len(history), 2) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(drawable(title), parse_math=False)
    save_figure(figure, path)


def draw_confusion(confusion: np.ndarray, class_names: Sequence[str], path: Path, title: str) -> None:
    """Draw a confusion matrix into a PNG: a row a true class, coloured by share, with counts where they fit.

    confusion: (K, K) integers. Raises UsageError when the file cannot be written.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    classes = len(class_names)
    side = min(max(4.0 + 0.45 * classes, 5.0), 22.0)  # inches
    figure = Figure(figsize=(side * 1.1, side), layout="constrained")
    axes = figure.subplots()
    shown = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(shown, 1)
    # Colour by the root of the share: one mistake in a hundred is what one looks for, and would be white otherwise.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
    # A name needs about 0.14 inches: with very many classes, every second, third, … has one.
    every = math.ceil(0.14 * classes / (0.8 * side))
    ticks = range(0, classes, every)
    names = [shortened(drawable(class_names[tick])) for tick in ticks]
    size = min(10.0, max(6.0, 72 * 0.6 * side / classes * every))
    axes.set_xticks(ticks, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, names, fontsize=size, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    figure.suptitle(drawable(title), parse_math=False)
    if classes <= COUNTS_SHOWN:
        for row, column in np.argwhere(confusion):
            color = "white" if shares[row, column] > 0.35 else "black"
            axes.text(column, row, f"{confusion[row, column]}", ha="center", va="center", color=color, fontsize=9)
    beside = axes.inset_axes((1.02, 0, 0.035, 1))  # in heights of the matrix: as high as it is, whatever its size
    bar = figure.colorbar(image, cax=beside, label="share of the true class's images")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    save_figure(figure, path)


def draw_rates(curve: RateCurve, path: Path, title: str) -> None:
    """Draw the losses of a learning-rate finder over the rates into a PNG, with the rate that they suggest marked.

    Raises UsageError when the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(curve.rates, curve.losses)
    axes.axvline(curve.suggestion, color="tab:red", linestyle="--", label=f"falls fastest at {curve.suggestion:.2g}")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss in nats, smoothed")
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(drawable(title), parse_math=False)
    save_figure(figure, path)


def draw_comparison(histories: Mapping[str, Sequence[Epoch]], path: Path, minutes: bool = False) -> None:
    """Draw validation loss and accuracy of several runs over one another into a PNG, a colour a run.

    histories: by what the runs are called. minutes: draw them over how long training and validation took, not over the
    epochs. Raises UsageError when the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(11, 4 + 0.2 * len(histories)), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for number, history in enumerate(histories.values()):
        color = f"C{number % 10}"
        places = list(accumulate(row.seconds / 60 for row in history)) if minutes else [row.epoch for row in history]
        loss.plot(places, [row.val_loss for row in history], color=color, marker=".", markersize=3)
        accuracy.plot(places, [row.val_accuracy for row in history], color=color, marker=".", markersize=3)
        best = best_epoch(history)
        ring = places[history.index(best)], best.val_accuracy
        accuracy.plot(*ring, marker="o", markersize=6, fillstyle="none", color=color)
    loss.set_title("validation loss in nats")
    accuracy.set_title("validation accuracy (best epochs ringed)")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (loss, accuracy):
        axes.set_xlabel("minutes" if minutes else "epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    legend = figure.legend(loss.lines, [""] * len(loss.lines), loc="outside lower center", ncols=2)
    for text, (name, history) in zip(legend.get_texts(), histories.items(), strict=True):
        text.set_parse_math(False)
        text.set_text(f"{drawable(name)}: {best_epoch(history).val_accuracy:.1%}")
    save_figure(figure, path)


def draw_search(records: Sequence[RunRecord], names: Sequence[str], path: Path) -> None:
    """Draw the best validation accuracy of each run over each of the settings `names` into a PNG, a panel a setting.

    Runs that ended before their last epoch are drawn as rings. Raises UsageError when the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(1 + 4 * len(names), 4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    accuracies = [record.best.val_accuracy for record in records]
    best = max(range(len(records)), key=accuracies.__getitem__)
    for axes, name in zip(panels, names, strict=True):
        values = [record.settings[name] for record in records]
        if not all(type(value) in (int, float) for value in values):
            values = [shortened(drawable(str(value))) for value in values]
        elif min(values) > 0 and max(values) >= 10 * min(values):
            axes.set_xscale("log")
        for number, (value, accuracy, record) in enumerate(zip(values, accuracies, records, strict=True)):
            color = "tab:red" if number == best else "tab:blue"
            axes.plot([value], [accuracy], marker="o", color=color, fillstyle="full" if record.whole else "none")
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("best validation accuracy")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.suptitle(f"{len(records)} runs; red: the best, rings: ended early")
    save_figure(figure, path)
