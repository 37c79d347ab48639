"""Do the filters of a layer begin different? Those that begin equal stay equal."""

from __future__ import annotations

import numpy as np

from minicnn.backend import to_numpy
from minicnn.inspection.doctor.finding import Finding, Verdict, listed
from minicnn.inspection.doctor.subject import Subject


def equal_filters(subject: Subject) -> Finding:
    """Look for weights (…, F) whose F filters or units are all the same, as zeros are.

    They get the same gradient in every step and never come to differ: the layer is worth one filter. A last layer of
    zeros is no fault: the gradients of its units differ by what the labels are. Source: Goodfellow et al. 2016,
    "Deep Learning", §8.4.
    """
    weights = {
        name: to_numpy(parameter.value)
        for name, parameter in subject.net.parameters().items()
        if parameter.value.ndim > 1 and parameter.value.shape[-1] > 1
    }
    last = list(weights)[-1:]
    equal = [name for name, value in weights.items() if name not in last and bool(np.all(value == value[..., :1]))]
    numbers = {"equal": float(len(equal)), "weights": float(len(weights))}
    if equal:
        figure = f"all filters of {listed(equal)} are the same"
        return Finding(Verdict.BROKEN, figure, "draw them at random (He or Glorot), never zeros or ones", numbers)
    return Finding(Verdict.FINE, f"those of all {len(weights)} weights differ", numbers=numbers)
