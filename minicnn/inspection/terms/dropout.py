"""Dropout."""

from __future__ import annotations

from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, number, product


def _dropout(arguments: Named, results: Named, index: Index) -> Spelled:
    scale = number("1/(1 − rate)", 1 / (1 - arguments["rate"]))
    return Spelled((product(element("x", arguments["x"], *index), element("keep", results["keep"], *index), scale),))


def _dropout_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    scale = number("1/(1 − rate)", 1 / (1 - arguments["rate"]))
    return Spelled(
        (product(element("dy", arguments["dy"], *index), element("keep", arguments["keep"], *index), scale),)
    )


TERMS: dict[tuple[str, str], Speller] = {
    ("dropout", "y"): _dropout,
    ("dropout_backward", "dx"): _dropout_dx,
}
