"""A pass that was computed here, for a network that is too large to be computed on the page: its most active channels.

Of each layer's output y, and of the gradient there, the page gets the channels whose numbers are the largest, as many
as fit a share of MOST_NUMBERS; and of some numbers the terms that made them. The pass is that of a network in use:
batch norm by its running statistics, no dropout.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.backend import is_array, to_numpy
from minicnn.dispatch import Call, observe, use_kernels
from minicnn.errors import UsageError
from minicnn.inspection.grad_cam import grad_cam, place_of
from minicnn.inspection.saliency import saliency
from minicnn.inspection.terms import result_names, spell
from minicnn.inspection.terms.parts import Products, Spelled
from minicnn.layers import Sequential
from minicnn.layers.passes import keep_for_backward
from minicnn.training.losses import SoftmaxCrossEntropy

MOST_NUMBERS = 1_000_000  # of all maps together, of 5.4 bytes each on the page
MOST_CHANNELS = 16  # of a layer
SPELLED = 4  # channels of a layer whose largest number is spelled out
MOST_TERMS = 24  # of such a number that are stored; the others as their sum

Packer = Callable[[np.ndarray], dict[str, Any]]


def stored_pass(net: Sequential, x: np.ndarray, label: int, label_smoothing: float, packed: Packer) -> dict[str, Any]:
    """Run one picture x (1, H, W, C) forward and backward, and return what the page shows of it, in plain values.

    packed: makes an array fit for the page. Returns tensors: arrays by name, of which only some `channels` are there
    (the last axis) where they say so; explanations: [{name, index, value, operation, result, terms, rest, sum, note}];
    maps: of the label and of the likeliest class.
    """
    net = copy.deepcopy(net)
    for parameter in net.parameters().values():
        parameter.grad = None
    loss, witness = SoftmaxCrossEntropy(label_smoothing), _Witness(net)
    with use_kernels("reference"), observe(witness), keep_for_backward():
        logits = net.forward(x)
        value = loss.forward(logits, np.array([label]))
        dlogits = loss.backward()
        dx = net.backward(dlogits)
    whole = {"logits": logits, "probabilities": ops.softmax(logits), "dlogits": dlogits, "dx": dx, "loss": value}
    return {
        "tensors": {name: packed(np.asarray(array)) for name, array in whole.items()}
        | {name: {**packed(part), "shape": shape, "channels": channels.tolist()}
           for name, (part, shape, channels) in witness.tensors.items()},
        "explanations": witness.explanations,
        "maps": [_maps(net, x, k, packed) for k in sorted({label, int(logits.argmax())})],
    }  # fmt: skip


def _maps(net: Sequential, x: np.ndarray, k: int, packed: Packer) -> dict[str, Any]:
    """Return the saliency and, where the network has a layer to look at, the Grad-CAM of a class."""
    with use_kernels("reference"):
        found: dict[str, Any] = {"class": k, "saliency": packed(saliency(net, x, np.array([k]))[0])}
        with contextlib.suppress(UsageError):
            layer = net.layers[place_of(net)].name
            found["gradCam"] = {**packed(grad_cam(net, x, np.array([k]))[0]), "layer": layer}
    return found


class _Witness:
    """Keeps of each call of an operation the most active channels of y, those channels of dy, and some explanations."""

    def __init__(self, net: Sequential) -> None:
        self._paths = {id(layer): name for name, layer in net.walk()}
        self._share = MOST_NUMBERS // (2 * len(self._paths))
        self.tensors: dict[str, tuple[np.ndarray, list[int], np.ndarray]] = {}  # the part, whole shape, channels
        self.explanations: list[dict[str, Any]] = []
        self._explaining = False  # which calls operations itself

    def __call__(self, call: Call) -> None:
        layer = self._paths.get(id(call.asked_by))
        if call.depth > 0 or not layer or self._explaining:
            return
        arguments = {name: to_numpy(a) if is_array(a) else a for name, a in call.arguments.items()}
        returned = call.result if isinstance(call.result, tuple) else (call.result,)
        named = zip(result_names(call.name, len(returned)), returned, strict=True)
        results = {name: to_numpy(array) for name, array in named if array is not None}
        if call.direction == "backward":
            self._take_backward(layer, call, arguments, results)
        elif "y" in results:
            self._take_forward(layer, call, arguments, results)

    def _take_forward(self, layer: str, call: Call, arguments: dict[str, Any], results: dict[str, np.ndarray]) -> None:
        y = results["y"]
        activity = np.abs(y).mean(axis=tuple(range(y.ndim - 1)), dtype="float64")
        count = max(1, min(MOST_CHANNELS if y.ndim == 4 else len(activity), self._share // prod(y.shape[:-1])))
        order = np.argsort(-activity, kind="stable")
        channels = np.sort(order[:count])
        self.tensors[f"{layer}.y"] = y[..., channels], list(y.shape), channels
        for channel in order[:SPELLED]:
            place = np.abs(y[..., channel]).argmax()
            index = (*np.unravel_index(place, y.shape[:-1]), channel)
            self._explain(layer, call, arguments, results, "y", index)

    def _take_backward(self, layer: str, call: Call, arguments: dict[str, Any], results: dict[str, np.ndarray]) -> None:
        dy, y = arguments.get("dy"), self.tensors.get(f"{layer}.y")
        if dy is not None and y is not None:
            _, shape, channels = y
            self.tensors[f"{layer}.dy"] = dy[..., channels], shape, channels
        for result, array in results.items():
            index = np.unravel_index(np.abs(array).argmax(), array.shape)
            self._explain(layer, call, arguments, results, result, index)

    def _explain(
        self, layer: str, call: Call, arguments: dict[str, Any], results: dict[str, np.ndarray], result: str, at: Any
    ) -> None:
        index = tuple(int(place) for place in at)
        self._explaining = True
        spelled = spell(call.operation, arguments, results, result, index)
        self._explaining = False
        if spelled is None:
            return
        self.explanations.append({
            "name": f"{layer}.{result}", "index": list(index), "value": float(results[result][index]),
            "operation": call.name, "result": result, **_terms(layer, spelled),
        })  # fmt: skip


def _terms(layer: str, spelled: Spelled) -> dict[str, Any]:
    """Return the largest terms, in order, and how many others there are and their sum."""
    values = np.concatenate([np.zeros(0), *(part.values for part in spelled.parts)])
    largest = {int(place) for place in np.argsort(-np.abs(values), kind="stable")[:MOST_TERMS]}
    terms: list[dict[str, Any]] = []
    first = 0
    for part in spelled.parts:
        count = len(part.values)
        shown = sorted(place for place in range(count) if first + place in largest)
        terms += [{"value": float(part.values[place]), "factors": _factors(layer, part, place)} for place in shown]
        first += count
    shown_sum = sum(float(term["value"]) for term in terms)
    rest = {"count": len(values) - len(terms), "sum": float(values.sum()) - shown_sum}
    note = {"key": "text", "text": spelled.note} if spelled.note else None
    return {"terms": terms, "rest": rest, "sum": float(values.sum()), "note": note}


def _factors(layer: str, part: Products, place: int) -> list[dict[str, Any]]:
    """Return the factors of one product; an element of an array, such as x[0, 3, 4, 1], with its name and index."""
    factors = []
    for factor in part.factors:
        label = factor.label(place)
        found: dict[str, Any] = {"value": float(factor.values[place if len(factor.values) > 1 else 0])}
        element = re.fullmatch(r"(\w+)\[([\d, ]+)\]", label)
        if element:
            index = [int(axis) for axis in element[2].split(",")]
            found |= {"symbol": element[1], "name": f"{layer}.{element[1]}", "index": index}
        else:
            found["symbol"] = label
        factors.append(found)
    return factors
