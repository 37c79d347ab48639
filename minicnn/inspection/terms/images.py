"""From bytes to floats."""

from __future__ import annotations

from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, number, product


def _normalize_pixels(arguments: Named, results: Named, index: Index) -> Spelled:
    mean, std = float(arguments["mean"][index[-1]]), float(arguments["std"][index[-1]])
    share = number("1/std", 1 / std)
    pixel = product(element("images", arguments["images"], *index), number("1/255", 1 / 255), share)
    return Spelled((pixel, product(number("−mean", -mean), share)))


TERMS: dict[tuple[str, str], Speller] = {("normalize_pixels", "y"): _normalize_pixels}
