"""The numerical derivative that the page shows, and its maps, against the engine's gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, ReLU, keep_for_backward, use_kernels
from tests.inspection.explain.laboratory import Laboratory, picture, scaled, told, traced
from tests.inspection.explain.networks import NETWORKS, PICTURE, network, plain

EACH = 2  # elements of each array that are differentiated


@pytest.fixture(scope="module")
def laboratory(browser: Any) -> Laboratory:
    return Laboratory(
        browser, network=["buildNetwork"], derivative=["derivativeAgrees", "numericalDerivative"],
        maps=["gradCam", "mapLayers", "saliency"], terms__producer=["gradientName"],
        tensor=["at"],
    )  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_agrees_with_backward_for_every_kind_of_number(laboratory, name, training):
    net, image = network(NETWORKS[name]()), picture(PICTURE)
    laboratory.build(told(net, image))
    laboratory("network.setTraining(given);", training)
    arrays, t, rng = laboratory.arrays(), traced(net, image, training=training), np.random.default_rng(2)
    outputs = [key for key in arrays if key.endswith(".y") and not key.startswith("flatten")]
    chosen = [
        (key, [int(axis) for axis in np.unravel_index(place, arrays[key].shape)])
        for key in ["x", *net.parameters(), *outputs]
        for place in rng.choice(arrays[key].size, EACH)
    ]
    found = laboratory(
        """
        return given.map(([name, index]) => {
            const numerical = numericalDerivative(network, name, index);
            const gradient = gradientName(pass, name);
            const analytic = at(pass.get(gradient), index);
            const [agrees, wrong] = [analytic, analytic * 1.01].map((value) => derivativeAgrees(numerical, value));
            return { ...numerical, gradient, agrees, wrong };
        });
        """,
        chosen,
    )
    known = 0
    for (key, index), numerical in zip(chosen, found, strict=True):
        gradient = numerical["gradient"]
        name_there = f"{net.layers[0].name}.dx" if gradient == "dx" else gradient
        expected = (t[name_there].value if name_there in t else arrays[gradient])[tuple(index)]
        assert numerical["verdict"] in ("known", "rounding"), (key, index, numerical)
        assert numerical["agrees"], (key, index, numerical)
        assert abs(numerical["value"] - expected) <= max(1e-4 * abs(expected), 2 * numerical["doubt"]), (key, index)
        known += numerical["verdict"] == "known"
        assert not numerical["wrong"] or numerical["verdict"] == "rounding" or expected == 0
    assert known > 0.9 * len(chosen)


def test_at_a_kink_it_says_so_and_names_what_changes_sides(laboratory):
    net = network([Conv2D(2, 3), ReLU(), Flatten(), Dense(5)])
    net.conv1.weight.value[..., 1] = 0  # type: ignore[attr-defined]
    net.conv1.bias.value[1] = 0  # type: ignore[attr-defined]
    laboratory.build(told(net, picture(PICTURE)))
    found = laboratory("return numericalDerivative(network, 'conv1.bias', [1]);")
    assert found["verdict"] == "kink" and len(found["kinks"]) == 8
    assert {kink["name"] for kink in found["kinks"]} == {"relu1.y"}
    assert {kink["index"][3] for kink in found["kinks"]} == {1}
    assert laboratory("return derivativeAgrees(given, 1);", found) is None
    assert laboratory("return numericalDerivative(network, 'conv1.bias', [0]);")["verdict"] == "known"


def test_where_the_loss_is_flat_it_says_that_rounding_hides_the_slope(laboratory):
    net = network([Conv2D(2, 3), ReLU(), Flatten(), Dense(5)])
    net.dense1.bias.value[1] = 60  # type: ignore[attr-defined]
    laboratory.build(told(net, picture(PICTURE), label=1))
    found = laboratory("return numericalDerivative(network, 'conv1.weight', [0, 0, 0, 0]);")
    assert found["verdict"] in ("rounding", "known") and abs(found["value"]) < 1e-12


def test_what_reaches_no_loss_has_a_derivative_of_zero(laboratory):
    net = network([Conv2D(2, 3), ReLU(), Flatten(), Dense(5)])
    net.conv1.bias.value[1] = -100  # type: ignore[attr-defined]
    laboratory.build(told(net, picture(PICTURE)))
    found = laboratory("return numericalDerivative(network, 'conv1.weight', [0, 0, 0, 1]);")
    assert (found["verdict"], found["value"], found["doubt"]) == ("known", 0, 0)


def test_it_is_of_the_network_as_edited_and_leaves_it_so(laboratory):
    net, image = network(plain()), picture(PICTURE)
    laboratory.build(told(net, image))
    net.conv2.weight.value[0, 1, 1, 2] = 1.25  # type: ignore[attr-defined]
    numerical = laboratory("""
        network.run();
        network.set("conv2.weight", [0, 1, 1, 2], 1.25);
        return numericalDerivative(network, "conv1.weight", [1, 1, 1, 1]);
    """)
    t = traced(net, image)
    assert numerical["value"] == pytest.approx(t["conv1.dweight"].value[1, 1, 1, 1], rel=1e-5)
    assert len(laboratory("return network.edits();")) == 1
    np.testing.assert_allclose(laboratory.arrays()["conv1.dweight"], t["conv1.dweight"].value, rtol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_maps_are_made_of_the_engines_gradients(laboratory, name):
    net, image = network(NETWORKS[name]()), picture(PICTURE)
    laboratory.build(told(net, image))
    laboratory.arrays()
    dlogits = np.zeros((1, 5))
    dlogits[0, 3] = 1
    with use_kernels("reference"), keep_for_backward():
        net.forward(scaled(image))
        dx = net.backward(dlogits)
    found = laboratory(
        "const { height, width, data } = saliency(network, pass, 3); return plain({ shape: [height, width], data });"
    )
    np.testing.assert_allclose(np.array(found["data"]).reshape(found["shape"]), np.abs(dx).max(axis=-1)[0], rtol=1e-9)

    place = {"plain": 4, "residual": 9}[name]  # the last layer whose output is a picture and that is no pool
    head, tail = net.head(place + 1), net.tail(place + 1)
    with use_kernels("reference"), keep_for_backward():
        maps = head.forward(scaled(image))
        tail.forward(maps)
        gradient = tail.backward(dlogits)
    expected = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=-1), 0)[0]
    found = laboratory("const m = gradCam(network, pass, 3); return { ...m, data: [...m.data] };")
    assert found["layer"] == net.layers[place].name == laboratory("return mapLayers(network).at(-1);")
    np.testing.assert_allclose(np.array(found["data"]).reshape(expected.shape), expected, rtol=1e-9, atol=1e-15)
