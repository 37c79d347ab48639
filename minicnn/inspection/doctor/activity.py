"""What the activations of a network give for some pictures, seen through the door that all operations go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minicnn.backend import to_numpy
from minicnn.dispatch import Call, observe, use_kernels
from minicnn.inspection.summary import summarize
from minicnn.layers import Sequential

MEMORY = 2**28  # bytes that an im2col matrix may take while the formulas run
OPERATIONS, FEWEST = 300e9, 16  # operations that all pictures together may take, and pictures that are taken anyway
Measure = Callable[[np.ndarray], np.ndarray]


def activity(net: Sequential, x: np.ndarray, measures: Mapping[str, Measure]) -> dict[str, list[np.ndarray]]:
    """Run pictures forward as in training, and measure what some operations return.

    x: (N, …). measures: for operations by name, such as "relu", what is wanted of their output y (n, …, C).
    Returns by the name of the layer that asked what its measure gave, for one part of the pictures after the other;
    nothing, after the first part, if no layer asked. Of a large network only the first pictures are taken. A layer that
    calls such an operation several times has a number behind its name from the second on. The network computes by the
    formulas, since fused kernels never make what is asked for, and is left changed as by training.
    """
    paths = {id(layer): name for name, layer in net.walk()}
    measured: dict[str, list[np.ndarray]] = {}
    calls: dict[str, int] = {}

    def look(call: Call) -> None:
        if call.name in measures:
            path = paths.get(id(call.asked_by), call.name)
            calls[path] = calls.get(path, 0) + 1
            name = path if calls[path] == 1 else f"{path} ({calls[path]})"
            measured.setdefault(name, []).append(measures[call.name](to_numpy(call.result)))

    try:
        costs = summarize(net)
        operations, columns = max(costs.flops, 1), max(costs.im2col_bytes, 1)
    except TypeError:  # a layer of the user's own, which trains, does not say what it costs
        operations, columns = 1, MEMORY // 4
    x = x[: max(FEWEST, int(OPERATIONS // operations))]
    at_once = int(np.clip(MEMORY // columns, 1, 32))
    with use_kernels("reference"), observe(look):
        for start in range(0, len(x), at_once):
            calls.clear()
            net.forward(x[start : start + at_once], training=True)
            if not measured:
                break
    return measured
