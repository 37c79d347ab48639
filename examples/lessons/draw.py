"""Draw the lessons' pictures, from the numbers that the lessons' own code computes.

    python examples/lessons/draw.py [FOLDER]      (left out: pictures/ beside this file)

A picture is a function of the same name as its lesson. It takes the names that the lesson's code leaves behind.
"""

import io
import pathlib
import re
import sys
from typing import Any

import matplotlib
import numpy as np
from lesson import FOLDER, LESSONS, run
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

INK, FAINT, PAPER = "#222222", "#8a8a8a", "#ffffff"
FOUR = ("#9ecae9", "#ffcf8a", "#a6dba0", "#e8a9c4")  # one colour a window
RED, BLUE = "#d6604d", "#4393c3"  # what is positive, and what is negative

# The same file for the same numbers: words stay words, ids do not change, and no date is written.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "minicnn",
    "font.sans-serif": [
        "DejaVu Sans"
    ],  # or what the reader's machine has instead: each text is centred where it stands
    "font.size": 10,
    "text.color": INK,
}


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure without axes, on which a unit is a cell of 0.32 inches and y grows downwards."""
    figure = Figure(figsize=(0.32 * width, 0.32 * height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def cells(axes: Axes, array: Any, left: float, top: float, title: str = "", colours: Any = None) -> None:
    """Draw a matrix as cells with a number each, its upper left corner at (left, top), a title above.

    colours: one for each cell, or None for white.
    """
    array = np.atleast_2d(array)
    of_cells = np.full(array.shape, PAPER) if colours is None else np.broadcast_to(colours, array.shape)
    for colour in dict.fromkeys(of_cells.flat):  # one path for all cells of a colour: a small file
        boxes = [Path.unit_rectangle().transformed(Affine2D().translate(left + column, top + row))
                 for row, column in np.argwhere(of_cells == colour)]  # fmt: skip
        axes.add_patch(PathPatch(Path.make_compound_path(*boxes), facecolor=colour, edgecolor=FAINT, linewidth=0.8,
                                 clip_on=False))  # fmt: skip
    for (row, column), value in np.ndenumerate(array):
        text = number(value)
        words(axes, left + column + 0.5, top + row + 0.5, text, fontsize=10 if len(text) < 4 else 8)
    words(axes, left + array.shape[1] / 2, top - 0.45, title, style="italic")


def words(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write a text with its middle at (x, y)."""
    axes.text(x, y, text, **{"ha": "center", "va": "center", **look})


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], **look: Any) -> None:
    """Draw an arrow between two points."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, shrinkA=0, shrinkB=0,
                                   **{"color": FAINT, "linewidth": 1, "clip_on": False, **look}))  # fmt: skip


def number(value: Any) -> str:
    """Return a number as short as it can be told, with a minus sign and not a hyphen."""
    return value if isinstance(value, str) else f"{value + 0.0:.3g}".replace("-", "−")


def convolution(names: dict[str, Any]) -> Figure:
    """Draw im2col, the product with the filter, and the way back, each window in its colour."""
    x, weight, y, dy = (names[name] for name in ("x", "weight", "y", "dy"))
    figure, axes = canvas(26, 13.4)
    each_row = np.reshape(FOUR, (4, 1))
    cells(axes, x, 0.6, 2.2, "picture x")
    for place, colour in enumerate(FOUR):
        i, j = divmod(place, 2)
        inset = 0.08 + 0.07 * place
        axes.add_patch(Rectangle((0.6 + j + inset, 2.2 + i + inset), 2 - 2 * inset, 2 - 2 * inset, fill=False,
                                 edgecolor=colour, linewidth=2.5))  # fmt: skip
    arrow(axes, (4, 3.7), (6.2, 3.7))
    words(axes, 5.1, 3.2, "im2col")
    cells(axes, names["columns"], 6.6, 1.7, "windows as rows, X", each_row)
    words(axes, 11.3, 3.7, "·")
    cells(axes, weight.reshape(4, 1), 12, 1.7, "filter W")
    words(axes, 14.4, 3.7, f"+ {number(names['bias'])}  =")
    cells(axes, y.reshape(4, 1), 16, 1.7, "Y", each_row)
    arrow(axes, (17.4, 3.7), (19.6, 3.7))
    cells(axes, y, 20.2, 2.7, "output y", np.reshape(FOUR, (2, 2)))

    axes.plot([0.6, 25.4], [6.9, 6.9], color=FAINT, linewidth=0.6)
    cells(axes, names["dx"][0, :, :, 0], 0.6, 9, "gradient dx")
    arrow(axes, (6.2, 10.5), (4, 10.5))
    words(axes, 5.1, 10, "col2im")
    cells(axes, names["dcolumns"], 6.6, 8.5, "dX = dY·Wᵀ", each_row)
    words(axes, 11.3, 10.5, "=")
    cells(axes, dy.reshape(4, 1), 12, 8.5, "dY", each_row)
    words(axes, 13.6, 10.5, "·")
    cells(axes, weight.reshape(1, 4), 14.2, 10, "Wᵀ")
    cells(axes, names["dweight"][:, :, 0, 0], 21.6, 9.5, "gradient dW = Xᵀ·dY")
    return figure


def activations(names: dict[str, Any]) -> Figure:
    """Draw the three functions, and their slopes as their backward passes give them for dy = 1."""
    ops = names["ops"]
    x = np.linspace(-4, 4, 161)
    figure = Figure(figsize=(8.3, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 3, sharex=True)
    for name, above, below in zip(("relu", "sigmoid", "tanh"), upper, lower, strict=True):
        y = getattr(ops, name)(x)
        above.plot(x, y, color=BLUE, linewidth=2)
        below.plot(x, getattr(ops, f"{name}_backward")(np.ones_like(x), y), color=RED, linewidth=2)
        above.set(title={"relu": "ReLU"}.get(name, name), ylim=(-1.3, 4.2) if name == "relu" else (-1.3, 1.3))
        below.set(xlabel="x", ylim=(-0.1, 1.15), yticks=(0, 0.25, 0.5, 1))
        for axes in (above, below):
            axes.axvline(0, color=FAINT, linewidth=0.6)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
    upper[0].set_ylabel("y")
    lower[0].set_ylabel("slope")
    return figure


def pooling(names: dict[str, Any]) -> Figure:
    """Draw a picture, what max-pool keeps of it, and where both kinds of pooling send the gradient."""
    dy = names["dy"]
    figure, axes = canvas(21, 12.6)
    windows = np.kron(np.reshape(FOUR, (2, 2)), np.ones((2, 2), int).astype(object))
    largest = names["dx_max"][0, :, :, 0] != 0
    cells(axes, names["x"], 0.6, 1.6, "picture x", np.where(largest, windows, PAPER))
    arrow(axes, (5, 3.6), (7.2, 3.6))
    words(axes, 6.1, 3.1, "largest")
    cells(axes, names["y"][0, :, :, 0], 7.6, 2.6, "y", np.reshape(FOUR, (2, 2)))
    cells(axes, names["argmax"][0, :, :, 0], 11.2, 2.6, "arg max")
    cells(axes, [[0, 1], [2, 3]], 15.2, 2.6, "places in a window")

    axes.plot([0.6, 20.4], [6.4, 6.4], color=FAINT, linewidth=0.6)
    cells(axes, dy, 7.6, 9, "dy", np.reshape(FOUR, (2, 2)))
    arrow(axes, (7.2, 10), (5, 10))
    words(axes, 6.1, 9.5, "max")
    cells(axes, names["dx_max"][0, :, :, 0], 0.6, 8, "to the arg max", np.where(largest, windows, PAPER))
    arrow(axes, (10, 10), (12.6, 10))
    words(axes, 11.3, 9.5, "average")
    spread = names["dx_average"][0, :, :, 0]
    cells(axes, [[f"{value:g}".lstrip("0") for value in row] for row in spread], 13, 8, "evenly", windows)
    return figure


def dense(names: dict[str, Any]) -> Figure:
    """Draw the product with the weights, and the two of the way back."""
    x, weight, dy = names["x"], names["weight"], names["dy"]
    figure, axes = canvas(26, 12.4)
    one, other = FOUR[0], FOUR[1]
    cells(axes, x, 0.6, 2, "x", np.reshape([one, PAPER], (2, 1)))
    words(axes, 4.1, 3, "·")
    cells(axes, weight, 4.6, 1.5, "W", [[one, PAPER]])
    words(axes, 7.1, 3, "+")
    cells(axes, [number(value) for value in names["bias"]], 7.6, 2.5, "b", [[one, PAPER]])
    words(axes, 10.1, 3, "=")
    cells(axes, names["y"], 10.6, 2, "y", [[one, PAPER], [PAPER, PAPER]])
    words(axes, 19.5, 3, "row times column: 1·1 + 0·2 + 2·0 + 0.5 = 1.5")

    axes.plot([0.6, 25.4], [5.7, 5.7], color=FAINT, linewidth=0.6)
    cells(axes, dy, 0.6, 8.3, "dy", np.reshape([PAPER, other], (2, 1)))
    words(axes, 3.1, 9.3, "·")
    cells(axes, weight.T, 3.6, 8.3, "Wᵀ", [[other, PAPER, PAPER], [other, PAPER, PAPER]])
    words(axes, 7.1, 9.3, "=")
    cells(axes, names["dx"], 7.6, 8.3, "dx", [[PAPER] * 3, [other, PAPER, PAPER]])
    cells(axes, x.T, 14.6, 7.8, "xᵀ", np.reshape([one, PAPER, PAPER], (3, 1)))
    words(axes, 17.1, 9.3, "·")
    cells(axes, dy, 17.6, 8.3, "dy", [[one, PAPER]])
    words(axes, 20.1, 9.3, "=")
    cells(axes, names["dweight"], 20.6, 7.8, "dW", [[one, PAPER], [PAPER] * 2, [PAPER] * 2])
    return figure


def softmax_cross_entropy(names: dict[str, Any]) -> Figure:
    """Draw logits, probabilities and the gradient as three rows of bars."""
    figure = Figure(figsize=(8.3, 2.6), layout="constrained")
    label = int(names["labels"][0])
    parts = {
        "logits z": names["logits"],
        "probabilities p": names["probabilities"],
        "gradient p − onehot": names["dlogits"],
    }
    for axes, (title, values) in zip(figure.subplots(1, 3), parts.items(), strict=True):
        row = values[0]
        colours = [FOUR[1] if k == label else FOUR[0] for k in range(len(row))]
        if title.startswith("gradient"):
            colours = [RED if value > 0 else BLUE for value in row]
        axes.bar(range(len(row)), row, color=colours)
        for k, value in enumerate(row):
            side, gap = ("bottom", 3) if value >= 0 else ("top", -3)
            axes.annotate(number(value), (k, value), (0, gap), textcoords="offset points", ha="center", va=side)
        axes.set_title(title)
        axes.margins(y=0.22)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.set_xticks(range(len(row)), [f"class {k}" + (" (true)" if k == label else "") for k in range(len(row))])
        axes.set_yticks([])
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    return figure


def batch_norm(names: dict[str, Any]) -> Figure:
    """Draw the numbers before and after, and the three parts that each number's gradient is the sum of."""
    x, y, dy, deviation = (
        names["x"].ravel(),
        names["y"].ravel(),
        names["dy"].ravel(),
        float(names["variance"][0]) ** 0.5,
    )
    figure = Figure(figsize=(8.3, 3), layout="constrained")
    before, after, back = figure.subplots(1, 3, width_ratios=(1, 1, 1.5))
    for axes, values, title in ((before, x, "x"), (after, y, "x̂")):
        axes.bar(range(8), values, color=FOUR[0])
        axes.axhline(values.mean(), color=INK, linewidth=1, linestyle="--")
        axes.set_title(f"{title}: mean {values.mean():g}, variance {values.var():g}", fontsize=10)
        axes.set_xticks(range(8))
    parts = {
        "x itself": dy / deviation,
        "the mean": np.full(8, -dy.mean() / deviation),
        "the variance": -y * (dy * y).mean() / deviation,
    }
    for offset, (path, values) in enumerate(parts.items()):
        back.bar(np.arange(8) + 0.22 * (offset - 1), values, 0.22, color=FOUR[offset], label=path)
    back.plot(range(8), names["dx"].ravel(), "_", color=INK, markersize=17, markeredgewidth=2, label="sum, dx")
    back.set_title("dx, where dy is 1 at the first number", fontsize=10)
    back.set_xticks(range(8))
    back.legend(frameon=False, fontsize=9)
    for axes in (before, after, back):
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def dropout(names: dict[str, Any]) -> Figure:
    """Draw one mask over a row of numbers, and the mean over more and more masks."""
    ops, x = names["ops"], np.arange(1.0, 9.0)
    rows = np.array([ops.dropout(x, 0.5, seed)[0] for seed in range(1, 401)])
    figure = Figure(figsize=(8.3, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, values, title in (
        (left, rows[0], "one step (seed 1), rate 0.5"),
        (right, rows.mean(axis=0), "mean of 400 steps"),
    ):
        axes.bar(range(1, 9), values, color=FOUR[0], label="y")
        axes.plot(range(1, 9), x, "_", color=INK, markersize=20, markeredgewidth=2, label="x")
        axes.set(title=title, xticks=range(1, 9), ylim=(0, 17))
        axes.legend(frameon=False, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def optimizers(names: dict[str, Any]) -> Figure:
    """Draw the walks of the three optimizers over the contour lines of their valley."""
    figure = Figure(figsize=(8.3, 5.4), layout="constrained")
    a, b = np.meshgrid(np.linspace(-11, 3, 80), np.linspace(-3.2, 3.2, 80))
    for axes, (name, places) in zip(figure.subplots(3, 1, sharex=True), names["walks"].items(), strict=True):
        axes.contour(a, b, (a * a + 25 * b * b) / 2, levels=(0.5, 3, 10, 25, 50, 85), colors="#c8c8c8", linewidths=0.8)
        axes.plot(*places.T, "o-", color=BLUE, markersize=3, linewidth=1.2)
        axes.plot(0, 0, "x", color=RED, markersize=8, markeredgewidth=2)
        axes.set_title(f"{name}, 40 steps", fontsize=10, loc="left")
        axes.set(ylabel="b", xlim=(-11, 3), ylim=(-2.6, 2.6))
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("a")
    return figure


def backward_pass(names: dict[str, Any]) -> Figure:
    """Draw every number of the little network: forward above, the gradients below."""
    t = names["t"]
    figure, axes = canvas(31, 17)

    def both(name: str, gradient: str, left: float, title: str, colours: Any = None) -> None:
        for channel in (0, 1):
            top = 2 + 3.6 * channel
            for array, shift, what in ((t[name].value, 0, title), (t[gradient].value, 8.2, gradient)):
                values = array[0, :, :, channel]
                cells(axes, values, left, top + shift, what if not channel else "", colours)

    warm, cold = FOUR[1], FOUR[0]
    for top, direction in ((4.6, "forward"), (12.8, "backward")):
        words(axes, 0.6, top, direction, rotation=90, color=FAINT)
    for left, right in ((4.9, 6), (8.6, 10.9), (13.5, 14.5), (17.1, 18.1), (19.7, 20.7), (23.3, 24.3)):
        arrow(axes, (left, 4.6), (right, 4.6))
        arrow(axes, (right, 12.8), (left, 12.8))
    arrow(axes, (25.9, 4.6), (26.9, 4.6))
    cells(axes, names["x"][0, :, :, 0], 1.6, 3.1, "picture")
    cells(axes, t["conv1.dx"].value[0, :, :, 0], 1.6, 11.3, "its gradient", warm)
    for channel in (0, 1):
        top = 2 + 3.6 * channel
        weight, bias = t["conv1.weight"].value, t["conv1.bias"].value
        cells(axes, weight[:, :, 0, channel], 6.3, top, f"filter {channel}, bias {number(bias[channel])}", cold)
        dbias = number(t["conv1.dbias"].value[channel])
        cells(axes, t["conv1.dweight"].value[:, :, 0, channel], 6.3, top + 8.2, f"dweight, dbias {dbias}", warm)
    both("conv1.y", "conv1.dy", 11.2, "z")
    both("relu1.y", "relu1.dy", 14.8, "ReLU")
    for channel in (0, 1):
        cells(axes, t["pool1.y"].value[0, :, :, channel], 18.4, 2.5 + 3.6 * channel, "max" if not channel else "")
        cells(
            axes, t["pool1.dy"].value[0, :, :, channel], 18.4, 10.7 + 3.6 * channel, "pool1.dy" if not channel else ""
        )
    bias, dbias = (", ".join(map(number, t[f"dense1.{name}"].value)) for name in ("bias", "dbias"))
    cells(axes, t["dense1.weight"].value, 21, 3.6, f"W, bias {bias}", cold)
    cells(axes, t["dense1.dweight"].value, 21, 11.8, "dweight", warm)
    words(axes, 22, 14.2, f"dbias {dbias}", style="italic")
    cells(axes, t["logits"].value.T, 24.6, 3.6, "logits")
    cells(axes, t["probabilities"].value.T, 27.2, 3.6, "softmax")
    cells(axes, t["dlogits"].value.T, 24.6, 11.8, "dlogits")
    words(axes, 27.7, 6.6, f"loss {float(t['loss'].value):.4f}")
    return figure


def draw(lesson: pathlib.Path, names: dict[str, Any], folder: pathlib.Path) -> pathlib.Path:
    """Draw a lesson's picture, from the names that its code left behind, into a folder; return the file."""
    name = lesson.stem.partition("_")[2]
    content = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = globals()[name](names)
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None}, facecolor=PAPER)
    short = re.sub(r"<[^>]*>", _rounded, re.sub(r"<!--.*?-->", "", content.getvalue()))
    lines = [line.strip() for line in short.splitlines() if line.strip()]
    file = folder / f"{name}.svg"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _rounded(tag: re.Match[str]) -> str:
    """Return a tag with its coordinates cut to a hundredth of a point, which is enough."""
    return re.sub(r"(\.\d\d)\d+", r"\1", tag.group())


def main() -> None:
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in LESSONS:
        print(draw(lesson, run(lesson)[0], folder))


if __name__ == "__main__":
    main()
