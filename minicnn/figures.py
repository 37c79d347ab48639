"""Matplotlib's figures as PNG files that are there whole or not at all, with any text that names may bring."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from minicnn.files import write_whole

if TYPE_CHECKING:  # Matplotlib takes as long to import as everything else together: only when something is drawn
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG. Raises UsageError when the file cannot be written."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")  # a box stands for it in the picture
        figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    write_whole(path, content.getvalue())


def drawable(text: str) -> str:
    """Return `text` with the bytes of file names that Python could not decode read as UTF-8.

    A terminal that is said to know ASCII only (LC_ALL=POSIX) makes Python keep each such byte as a lone surrogate.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def shortened(name: str, most: int = 24) -> str:
    """Return a name with its end left out where it has more than `most` letters."""
    return name if len(name) <= most else name[: most - 1] + "…"
