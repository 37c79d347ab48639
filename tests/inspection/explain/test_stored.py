"""The pass of a network that a page does not compute: what is stored of it, and how the page asks for it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, GlobalAvgPool2D, Layer, ReLU, Sequential, use_kernels
from minicnn.inspection.explain import description, embed, page_data, stored
from minicnn.inspection.grad_cam import grad_cam
from minicnn.inspection.saliency import saliency
from tests.inspection.explain.laboratory import NORMALIZATION, Laboratory, as_array, picture, scaled, told, traced
from tests.inspection.explain.networks import NETWORKS, PICTURE, network, plain, residual


@pytest.fixture(scope="module")
def laboratory(browser: Any) -> Laboratory:
    return Laboratory(
        browser, network=["buildNetwork"], terms__terms=["terms"], terms__producer=["gradientName", "producer"],
        maps=["gradCam", "saliency"],
    )  # fmt: skip


@pytest.fixture
def only_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no page compute anything, and store two channels of each layer of the tests' networks."""
    monkeypatch.setattr(description, "MOST_PARAMETERS", 0)
    monkeypatch.setattr(stored, "MOST_CHANNELS", 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_most_active_channels_are_those_of_a_trace(laboratory, only_stored, name):
    net, image = network(NETWORKS[name]()), picture(PICTURE)
    laboratory.build(told(net, image, label_smoothing=0.1))
    found = laboratory(
        """
        window.pass = network.run();
        const held = (name) => ({ ...plain(pass.get(name)), channels: pass.get(name).channels ?? null });
        return pass.names().map((name) => [name, held(name)]);
        """
    )
    t = traced(net, image, label_smoothing=0.1)
    compared = 0
    for key, given in found:
        whole = t[{"dx": f"{net.layers[0].name}.dx"}.get(key, key)].value if key not in ("images", "x") else None
        if whole is None:
            continue
        assert tuple(given["shape"]) == whole.shape, key
        channels = given["channels"]
        expected = whole if channels is None else whole[..., channels]
        np.testing.assert_allclose(np.reshape(given["data"], expected.shape), expected, rtol=1e-10, atol=1e-15)
        if channels is not None and key.endswith(".y") and whole.ndim == 4:
            activity = np.abs(whole).mean(axis=(0, 1, 2))
            assert set(channels) == set(np.argsort(-activity)[:2].tolist()), key
        compared += 1
    assert compared > 15


def test_stored_terms_are_the_largest_of_a_trace(laboratory, only_stored):
    net, image = network(residual()), picture(PICTURE)
    laboratory.build(told(net, image))
    t = traced(net, image)
    found = laboratory("""
        window.pass = network.run();
        return pass.explained().map(({ name, index }) => ({ ...terms(pass, name, index), name, index }));
    """)
    assert {"residual1.body.conv1.y", "bn1.dweight", "residual2.body.dx", "dense1.dbias"} <= {
        one["name"] for one in found
    }
    for one in found:
        expected = t.explain(one["name"], one["index"])
        assert one["value"] == expected.value and one["sum"] == pytest.approx(expected.sum, rel=1e-12)
        values = [term["value"] for term in one["terms"]]
        assert np.sort(np.abs(values)).tolist() == np.sort(np.abs(expected.values))[::-1][: len(values)][::-1].tolist()
        assert len(values) + one["rest"]["count"] == len(expected.values)
        for term in one["terms"]:
            assert term["value"] == pytest.approx(np.prod([factor["value"] for factor in term["factors"]]), rel=1e-12)
            for factor in term["factors"]:
                if factor.get("name", "") in t:
                    assert factor["value"] == t[factor["name"]].value[tuple(factor["index"])]


def test_names_lead_to_what_is_stored(laboratory, only_stored):
    laboratory.build(told(network(residual()), picture(PICTURE)))
    laboratory("window.pass = network.run();")
    made_under = {
        "bn1.x": "conv1.y", "conv1.x": "x", "residual1.body.conv1.x": "lrn1.y",
        "residual1.shortcut.bn1.x": "residual1.shortcut.conv1.y", "residual2.shortcut": "relu2.y",
        "residual2.body": "residual2.body.y", "residual1.dx": "lrn1.dy", "conv1.dx": "dx",
        "images": None, "bn1.weight": None,
    }  # fmt: skip
    found = laboratory("return given.map((name) => producer(pass, name));", [*made_under])
    assert dict(zip(made_under, found, strict=True)) == made_under
    assert laboratory("return gradientName(pass, 'residual1.x');") == "lrn1.dy"


def test_it_cannot_be_changed(laboratory, only_stored):
    laboratory.build(told(network(plain()), picture(PICTURE)))
    tries = [
        "network.set('images', [0, 0, 0, 0], 3)", "network.setLabel(2)", "network.setOff('relu1', true)",
        "network.sgdStep(null)",
    ]  # fmt: skip
    for script in tries:
        assert laboratory(f"try {{ {script}; }} catch (error) {{ return error.key; }}") == "stored"


def test_the_maps_of_the_label_and_of_the_likeliest_class(laboratory, only_stored):
    net, image = network(residual()), picture(PICTURE)
    likeliest = int(traced(net, image)["probabilities"].value.argmax())
    label, other = [k for k in range(5) if k != likeliest][:2]
    laboratory.build(told(net, image, label=label))
    for k in (label, likeliest):
        found = laboratory(
            """
            const pass = network.run();
            const listed = (m) => ({ ...m, data: [...m.data] });
            return [listed(saliency(network, pass, given)), listed(gradCam(network, pass, given))];
            """,
            k,
        )
        with use_kernels("reference"):
            expected = saliency(net, scaled(image), np.array([k])), grad_cam(net, scaled(image), np.array([k]))
        for got, wanted in zip(found, expected, strict=True):
            assert (1, got["height"], got["width"]) == wanted.shape
            np.testing.assert_allclose(got["data"], wanted.ravel(), rtol=1e-10)
        assert found[1]["layer"] == "tanh1"
    script = "const pass = network.run(); return [saliency(network, pass, given), gradCam(network, pass, given)];"
    assert laboratory(script, other) == [None, None]


def test_a_layer_that_the_page_does_not_know_is_shown_by_what_it_stored(laboratory):
    class Block(Layer):
        def __init__(self) -> None:
            self.conv, self.relu = Conv2D(3, 3, padding=1), ReLU()

        def resolve(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            return self.relu.fix_shapes(self.conv.fix_shapes(input_shape))

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return self.relu.forward(self.conv.forward(x, training), training)

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            return self.conv.backward(self.relu.backward(dy), input_gradient)

        def operations(self) -> int:
            return 0

    net = Sequential([Block(), Flatten(), Dense(5)], PICTURE, dtype="float64")
    data = told(net, picture(PICTURE))
    assert data["why"] == {"key": "layer", "layer": "block1", "kind": "Block"}
    laboratory.build(data)
    y = laboratory("return plain(network.run().get('block1.conv.y'));")
    assert as_array(y).shape == (1, 9, 8, 3)
    with use_kernels("reference"):
        expected = net.block1.conv.forward(scaled(picture(PICTURE)))  # type: ignore[attr-defined]
    np.testing.assert_allclose(as_array(y), expected, rtol=1e-10)


def test_a_large_network_makes_a_page_of_some_megabytes(monkeypatch):
    monkeypatch.setattr(description, "MOST_OPERATIONS", 100_000_000)
    net = Sequential([Conv2D(64, 3), ReLU(), Conv2D(64, 3), ReLU(), GlobalAvgPool2D(), Dense(200)], (60, 60, 3))
    data = page_data(net, picture((60, 60, 3)), NORMALIZATION, [str(k) for k in range(200)])
    assert data["why"]["key"] == "operations" and len(embed(data)) < 6e6
    parameters = {layer["name"]: set(layer["parameters"]) for layer in json.loads(embed(data))["layers"]}
    assert parameters["conv1"] == {"weight", "bias"} and parameters["conv2"] == {"bias"}
