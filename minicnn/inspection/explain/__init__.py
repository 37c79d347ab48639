"""The explain page: a network that computes in a browser, so that every number of both passes can be looked at.

`page_data` describes a network and a picture in JSON; `bundle` puts the JavaScript in js/, which computes both passes
and shows them, into one script; `render_page` makes the page of both. js/ops/ holds the twins of the formulas in
`minicnn.ops`, named alike.
"""

from minicnn.inspection.explain.bundle import bundle, embed
from minicnn.inspection.explain.description import page_data
from minicnn.inspection.explain.page import render_page

__all__ = ["bundle", "embed", "page_data", "render_page"]
