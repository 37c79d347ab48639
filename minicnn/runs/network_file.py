"""A network in one file, with all that is needed to look at pictures with it: safetensors, numbers and texts alone.

Beside the weights stands what they are of, as JSON under the key "minicnn": the network's name, the size of its
pictures, its classes, what is done to the pixels before they reach it, and whether it is the int8 network made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import models
from minicnn.backend import to_numpy
from minicnn.data import Transform
from minicnn.errors import UsageError
from minicnn.layers import Sequential
from minicnn.layers.int8 import int8_network, nodes_of
from minicnn.layers.quantized import Fixed
from minicnn.layers.weights import read_arrays, save_arrays, set_variables
from minicnn.runs.packing import pack, unpack
from minicnn.training.normalization import Normalization

KEY = "minicnn"


@dataclass(frozen=True)
class NetworkFacts:
    """What weights are of. classes: folder names; class_names: as people say them; both in label order.

    model: a name that minicnn knows, or of a file of the user's own. input_shape: (H, W, 3) in pixels. transform: from
    a picture of any size to that shape. normalization: from its bytes to the floats that the network reads. int8:
    whether its layers compute with bytes, see `minicnn.layers.int8`.
    """

    model: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    normalization: Normalization
    transform: Transform
    int8: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any], model: str, where: object) -> NetworkFacts:
        """Read what `to_config` wrote, or a run's config.json holds. Raises UsageError where it is damaged."""
        try:
            names = tuple(config["classes"]), tuple(config["class_names"])
            texts = all(isinstance(name, str) for name in names[0] + names[1])
            if not texts or not 0 < len(set(names[0])) == len(names[0]) == len(names[1]):
                raise UsageError("classes and class_names should be lists of as many names, each class once")
            input_shape = tuple(config["input_shape"])
            if len(input_shape) != 3 or not all(type(side) is int and side >= 1 for side in input_shape):
                raise UsageError(f"input_shape should be [height, width, channels]; got {config['input_shape']}")
            normalization = Normalization(**config["normalization"])
            transform, int8 = Transform.from_config(config["transform"]), config.get("int8", False)
            if type(int8) is not bool:
                raise UsageError(f"int8 should be true or false; got {int8!r}")
            return cls(model, input_shape, *names, normalization, transform, int8)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(f"{where} is damaged: {error}") from error

    def to_config(self) -> dict[str, Any]:
        """Return all of it in plain JSON values."""
        return {
            "model": self.model,
            "input_shape": list(self.input_shape),
            "classes": list(self.classes),
            "class_names": list(self.class_names),
            "normalization": self.normalization.to_config(),
            "transform": self.transform.to_config(),
            "int8": self.int8,
        }

    def build(
        self, weights: Mapping[str, np.ndarray], network: models.Model | None = None, source: str = ""
    ) -> Sequential:
        """Return the network with these weights, under its own names.

        network: where `model` is no name that minicnn knows. source: where the weights are from, for errors. Raises
        UsageError where they do not fit the network.
        """
        network = network or models.known(self.model)
        classes = len(self.classes)
        if self.int8:
            outline = models.outline(network, self.input_shape, classes)
            net = int8_network(outline, nodes_of(outline))
        else:
            net = models.build(network, self.input_shape, classes=classes)
        variables = net.variables()
        for name, array in weights.items():
            variable = variables.get(name)
            if isinstance(variable, Fixed):
                require_fixed(name, array, variable, self.model)
            else:
                require_numbers(name, array, self.model)
        set_variables(variables, weights, source or f"what is said to be {self.model}")
        return net


def require_numbers(name: str, array: np.ndarray, model: str) -> None:
    """Raise UsageError unless the array `name` of a network holds finite numbers in floating point."""
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise UsageError(f"{name} of {model} does not hold finite numbers in floating point: take another copy")


def require_fixed(name: str, array: np.ndarray, variable: Fixed, model: str) -> None:
    """Raise UsageError unless the array `name` of an int8 network has its dtype, and scales are finite and above 0."""
    if array.dtype != variable.dtype:
        raise UsageError(f"{name} of {model} is {array.dtype} and should be {variable.dtype}: take another copy")
    if array.dtype.kind == "f" and not ((array > 0) & np.isfinite(array)).all():
        raise UsageError(f"{name} of {model} does not hold finite numbers above 0: take another copy")


def save_network(net: Sequential, facts: NetworkFacts, path: str | Path, packed: bool = False) -> None:
    """Write the weights of `net` and the facts about it to a file, which appears whole or not at all.

    packed: leave zeros out, see `packing`; other software then cannot read it. Raises UsageError when the folder cannot
    be written to.
    """
    arrays = {name: to_numpy(array) for name, array in net.state().items()}
    save_arrays(pack(arrays) if packed else arrays, path, {KEY: json.dumps(facts.to_config())})


def read_network(path: str | Path) -> tuple[NetworkFacts, dict[str, np.ndarray]]:
    """Return the facts and the weights in a file that `save_network` wrote.

    Raises UsageError when it is missing or damaged, or weights alone, which nobody can tell the network of.
    """
    arrays, texts = read_arrays(path)
    if KEY not in texts:
        raise UsageError(
            f"{path} holds weights and does not say of which network: minicnn import {path} --model NAME makes a file "
            "that does"
        )
    try:
        config = json.loads(texts[KEY])
        model = config["model"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise UsageError(f"{path} is damaged: {error!r}") from error
    if not isinstance(model, str):
        raise UsageError(f"{path} is damaged: it names no network")
    return NetworkFacts.from_config(config, model, path), unpack(arrays, path)
