"""The explain page: a network that computes in a browser, so that every number of both passes can be looked at.

`page_data` describes a network and a picture in JSON; `bundle` puts the JavaScript in js/, which computes both passes,
into one script. js/ops/ holds the twins of the formulas in `minicnn.ops`, named alike.
"""

from minicnn.inspection.explain.bundle import bundle, embed
from minicnn.inspection.explain.description import page_data

__all__ = ["bundle", "embed", "page_data"]
