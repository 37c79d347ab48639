"""The explain page: one file that opens by itself, with the network, the picture and all that computes in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicnn.inspection.explain.bundle import bundle, embed

_FOLDER = Path(__file__).parent


def render_page(data: dict[str, Any]) -> str:
    """Return the page, as HTML, of a network and a picture that `page_data` described."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("template.html").render(
        title=f"minicnn · {data['model']}",
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        network=Markup(embed(data)),
        script=Markup(bundle("main.js")),
    )
