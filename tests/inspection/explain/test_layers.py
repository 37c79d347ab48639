"""Every kind of layer in JavaScript against the engine's, both passes, on the examples that gradcheck takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import use_kernels
from minicnn.inspection.explain.kinds import KINDS
from minicnn.layers import Layer, Parameter, Residual, Sequential, State, keep_for_backward
from minicnn.layers.tree import found_in
from tests.inspection.explain.laboratory import TOLERANCE, Laboratory, as_array
from tests.layers.cases import LAYERS, built, layer_classes

NAMES = [name for name in LAYERS if type(built(name)) in KINDS and type(built(name)) not in (Residual, Sequential)]

# A layer as network.js holds it, run on an x and a dy.
RUN = """
    const tensorOf = ({ shape, data }) => ({ shape, data: Float64Array.from(data) });
    const all = (held) => Object.fromEntries(Object.entries(held).map(([key, value]) => [key, tensorOf(value)]));
    return given.map(({ kind, settings, parameters, state, x, dy, training }) => {
        const layer = { settings, parameters: all(parameters), state: all(state), frozen: false, silenced: new Set() };
        const input = tensorOf(x);
        const made = { x: input, ...layer.parameters, ...LAYER_KINDS[kind].forward(layer, input, training) };
        const result = LAYER_KINDS[kind].backward(layer, tensorOf(dy), made);
        const arrays = ["y", "mean", "variance", "argmax", "keep"].map((key) => [key, made[key]]);
        const gradients = ["dx", "dweight", "dbias"].map((key) => [key, result[key]]);
        return [...arrays, ...gradients].filter(([, t]) => t).map(([key, t]) => [key, plain(t)]);
    });
"""


@pytest.fixture(scope="module")
def results(browser: Any) -> dict[tuple[str, str, bool], tuple[dict[str, Any], dict[str, Any]]]:
    """Return for each example, dtype and mode what the engine and what JavaScript made of it, all in one go."""
    laboratory = Laboratory(browser, layers=["LAYER_KINDS"])
    rng = np.random.default_rng(5)
    cases = [(name, dtype, training) for name in NAMES for dtype in TOLERANCE for training in (False, True)]
    engine, orders = [], []
    for name, dtype, training in cases:
        layer = built(name, dtype)
        x = rng.standard_normal((2, *layer.input_shape)).astype(dtype)  # type: ignore[misc]
        for owned in found_in(layer, (Parameter, State)).values():
            owned.value = (owned.value + rng.uniform(0.1, 0.5, owned.value.shape)).astype(dtype)
        orders.append({
            "kind": type(layer).__name__, "settings": KINDS[type(layer)].settings(layer), "training": training,
            "parameters": held(layer, Parameter), "state": held(layer, State), "x": told(x),
        })  # fmt: skip
        with use_kernels("reference"), keep_for_backward():
            y = layer.forward(x, training)
        dy = rng.standard_normal(y.shape).astype(dtype)
        orders[-1]["dy"] = told(dy)
        kept = {key: getattr(layer, key) for key in ("mean", "variance", "argmax") if hasattr(layer, key)}
        with use_kernels("reference"):
            dx = layer.backward(dy)
        gradients = {f"d{key}": parameter.grad for key, parameter in found_in(layer, Parameter).items()}
        engine.append({"y": y, **kept, "dx": dx, **gradients})
    found = laboratory(RUN, orders)
    return {case: (one, dict(other)) for case, one, other in zip(cases, engine, found, strict=True)}


def told(array: np.ndarray) -> dict[str, Any]:
    return {"shape": list(array.shape), "data": array.astype("float64").ravel().tolist()}


def held(layer: Layer, kind: type) -> dict[str, Any]:
    return {key: told(owned.value) for key, owned in found_in(layer, kind).items()}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_layer_computes_what_the_engine_computes(results, name, dtype, training):
    engine, there = results[name, dtype, training]
    assert set(engine) <= set(there)
    for key, expected in engine.items():
        got = as_array(there[key])
        limit = TOLERANCE[dtype] * float(np.abs(expected).max())
        np.testing.assert_allclose(got, expected, rtol=0, atol=limit, err_msg=key)


def test_every_kind_of_layer_is_tried():
    assert {type(built(name)) for name in NAMES} == set(KINDS) - {Residual, Sequential}
    assert {kind.__name__ for kind in KINDS} == layer_classes()
