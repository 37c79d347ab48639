"""The sum of a residual connection."""

from __future__ import annotations

from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, product


def _sum_of_both(arguments: Named, results: Named, index: Index) -> Spelled:
    return Spelled(tuple(product(element(name, array, *index)) for name, array in arguments.items()))


TERMS: dict[tuple[str, str], Speller] = {
    ("residual", "y"): _sum_of_both,
    ("residual_backward", "dx"): _sum_of_both,
}
