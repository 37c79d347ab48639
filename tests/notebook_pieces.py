"""What a piece of HTML for a notebook shows: its tables as texts, its pictures as pixels."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
from PIL import Image


def parsed(html: str) -> ElementTree.Element:
    """Return the piece as a tree; it has to be well-formed."""
    return ElementTree.fromstring(f"<div>{html}</div>")


def text_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def rows(html: str) -> list[list[str]]:
    """Return the texts of all tables' rows, heads included."""
    return [[text_of(cell) for cell in row] for row in parsed(html).iter("tr")]


def pictures(html: str) -> dict[str, np.ndarray]:
    """Return the pictures by their alternative text, as pixels."""
    found = {}
    for image in parsed(html).iter("img"):
        content = base64.b64decode(image.attrib["src"].removeprefix("data:image/png;base64,"))
        found[image.attrib["alt"]] = np.asarray(Image.open(io.BytesIO(content)))
    return found
