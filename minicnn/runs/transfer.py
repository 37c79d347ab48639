"""Transfer learning: a network starts from another one's weights, and a part of it stays as it is.

Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?"; document 004 §5.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import models
from minicnn.errors import UsageError
from minicnn.layers import Layer, Sequential
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Parameter, Variable
from minicnn.runs.network_file import require_numbers
from minicnn.runs.own_network import code_needed
from minicnn.runs.pixels import FITS, NORMALIZATIONS
from minicnn.runs.trained import listed
from minicnn.runs.weights import TrainedWeights
from minicnn.training.whitening import first_convolution

ALL = "all"


def with_those_of_init(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings `given`, and those that the network to start from brings along where there is one.

    Raises UsageError as `settings_from` does, and when that network is code which `given` does not name.
    """
    if not given.get("init"):
        return dict(given)
    settings = settings_from(given["init"]) | dict(given)
    if models.is_file(settings["model"]) and "model" not in given:
        raise UsageError(code_needed(Path(given["init"]), settings["model"]))
    return settings


def settings_from(init: str) -> dict[str, Any]:
    """Return the settings that a network to start from brings along: its model, and how it wants pictures.

    Raises UsageError when there is no such network, or minicnn does not know how its pictures are prepared.
    """
    facts = TrainedWeights.read(init).facts
    size, width, _ = facts.input_shape
    if width != size:
        raise UsageError(f"{init} reads pictures of {size}×{width} pixels, which are no squares")
    fit = next((name for name, make in FITS.items() if make(size) == facts.transform), None)
    normalize = next((name for name, known in NORMALIZATIONS.items() if known == facts.normalization), None)
    if fit is None or normalize is None:
        raise UsageError(f"{init} prepares its pictures in a way that no --fit and --normalize describe")
    return {"model": facts.model, "image_size": size, "fit": fit, "normalize": normalize}


def copy_weights(start: TrainedWeights, net: Sequential, classes: Sequence[str]) -> None:
    """Set the parameters and states of `net` to those of `start`, but for the last layer, if its classes are others.

    Raises UsageError, changing nothing, where anything else does not fit.
    """
    if start.facts.int8:
        raise UsageError("training cannot start from an int8 network: take the one that it was made from")
    there, here, last = start.arrays, net.variables(), _last_layer(net)[0]
    new = [name for name in here if name.startswith(f"{last}.")] if tuple(classes) != start.facts.classes else []
    for name in dict.fromkeys([*here, *there]):
        if name in there:
            require_numbers(name, there[name], start.facts.model)
        mine = here[name].shape if name in here else None
        theirs = tuple(there[name].shape) if name in there else None
        if mine != theirs and name not in new:
            raise UsageError(
                f"training cannot start from {start.facts.model}: {name} is {theirs or 'missing'} there and "
                f"{mine or 'missing'} here; take the same --model and --image-size"
            )
    for name, variable in here.items():
        if name not in new:
            variable.value = np.array(there[name], dtype=variable.value.dtype, order="C")


def freeze(net: Sequential, which: str, whitened: bool = False) -> None:
    """Freeze layers of `net`. which: "" for none, "all" but the last, or patterns of dotted names joined by commas.

    whitened: freeze the first convolution as well. Raises UsageError for a pattern that no layer's name matches, where
    nothing would be left to learn, and where there is no convolution to whiten.
    """
    if which == ALL:
        last = _last_layer(net)[1]
        chosen = [layer for layer in net.layers if not any(inner is last for _, inner in layer.walk())]
    else:
        chosen = [layer for pattern in _listed("freeze", which) for layer in _matching(net, pattern)]
    for layer in [*chosen, first_convolution(net)] if whitened else chosen:
        layer.freeze()
    if all(parameter.frozen for parameter in net.parameters().values()):
        raise UsageError(f"freeze={which} leaves nothing to learn: leave a layer out of it")


def rates_by_name(net: Sequential, rates: str) -> dict[str, float]:
    """Return the factor on the learning rate for each parameter that `rates` names, by its name.

    rates: "", or PATTERN=FACTOR joined by commas; of several that match, the last one holds. Raises UsageError for a
    pattern that no layer's name matches, and a factor that is none.
    """
    factors: dict[str, float] = {}
    for entry in _listed("rates", rates):
        pattern, _, number = entry.partition("=")
        try:
            factor = float(number)
        except ValueError:
            factor = -1.0
        if not 0 <= factor < float("inf"):
            raise UsageError(f"rates are PATTERN=FACTOR, with a factor of at least 0, such as dense*=10; got {entry!r}")
        inside = {id(p) for layer in _matching(net, pattern) for p in layer.parameters().values()}
        factors |= {name: factor for name, parameter in net.parameters().items() if id(parameter) in inside}
    return factors


def _last_layer(net: Sequential) -> tuple[str, Layer]:
    """Return the last layer that has parameters, and its dotted name: what tells the classes apart."""
    return [(path, layer) for path, layer in net.walk() if found_in(layer, Parameter)][-1]


def _matching(net: Sequential, pattern: str) -> list[Layer]:
    found = [layer for path, layer in net.walk() if path and fnmatchcase(path, pattern)]
    if not found:
        names = [path for path, layer in net.walk() if path and found_in(layer, Variable)]
        raise UsageError(
            f"no layer of the network is called {pattern}: with weights there are {listed(names)} (minicnn summary "
            "names all)"
        )
    return found


def _listed(setting: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if text and not parts:
        raise UsageError(f"{setting}={text} names no layer: leave it out, or name some (minicnn summary names all)")
    return parts
