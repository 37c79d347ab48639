"""A network in JavaScript against the engine: every array of both passes, as it stands, after edits, after steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import (
    SGD,
    BatchNorm2D,
    Conv2D,
    Dense,
    Flatten,
    LeakyReLU,
    SoftmaxCrossEntropy,
    keep_for_backward,
    ops,
    use_kernels,
)
from tests.inspection.explain.laboratory import (
    NORMALIZATION,
    Laboratory,
    as_array,
    assert_alike,
    picture,
    told,
    traced,
)
from tests.inspection.explain.networks import NETWORKS, PICTURE, network, plain


@pytest.fixture(scope="module")
def laboratory(browser: Any) -> Laboratory:
    return Laboratory(browser, network=["buildNetwork"])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_array_of_a_trace_is_on_the_page(laboratory, name, dtype, training):
    net, image = network(NETWORKS[name](), dtype), picture(PICTURE)
    laboratory.build(told(net, image, label_smoothing=0.1))
    laboratory("network.setTraining(given);", training)
    there = laboratory.arrays()
    assert_alike(there, traced(net, image, label_smoothing=0.1, training=training), dtype)


def test_edits_reach_everything_behind_them(laboratory):
    net, image = network(plain()), picture(PICTURE)
    laboratory.build(told(net, image))
    before = laboratory.arrays()
    image[4, 5, 1] = 250
    laboratory('network.set("images", [0, 4, 5, 1], 250);')
    assert_alike(laboratory.arrays(), traced(net, image), "float64")
    net.conv2.weight.value[1, 2, 0, 5] += 0.3  # type: ignore[attr-defined]
    laboratory('network.set("conv2.weight", [1, 2, 0, 5], network.get("conv2.weight", [1, 2, 0, 5]) + 0.3);')
    assert_alike(laboratory.arrays(), traced(net, image), "float64")
    net.dense1.bias.value[2] = -1.5  # type: ignore[attr-defined]
    laboratory('network.set("dense1.bias", [2], -1.5); network.setLabel(3); network.setLabelSmoothing(0.2);')
    assert_alike(laboratory.arrays(), traced(net, image, label=3, label_smoothing=0.2), "float64")
    edits = {edit["name"]: edit for edit in laboratory("return network.edits();")}
    assert set(edits) == {"images", "conv2.weight", "dense1.bias", "label", "labelSmoothing"}
    assert edits["images"]["index"] == [0, 4, 5, 1] and edits["images"]["to"] == 250
    assert edits["dense1.bias"]["count"] == 1
    laboratory("network.reset();")
    assert laboratory("return network.edits();") == []
    after = laboratory.arrays()
    assert all(np.array_equal(array, after[name]) for name, array in before.items())


def test_an_edit_leaves_what_lies_before_it_and_earlier_passes(laboratory):
    laboratory.build(told(network(plain()), picture(PICTURE)))
    assert laboratory("""
        const before = network.run();
        const weight = before.get("conv2.weight").data[3];
        network.set("conv2.weight", [0, 0, 0, 3], 7);
        const after = network.run();
        return [
            before.get("pool1.y") === after.get("pool1.y"), before.get("conv2.y") === after.get("conv2.y"),
            before.get("conv2.weight").data[3] === weight, after.get("conv2.weight").data[3],
        ];
    """) == [True, False, True, 7]


def test_a_relu_that_is_switched_off_lets_everything_through(laboratory):
    image = picture(PICTURE)
    laboratory.build(told(network(plain()), image))
    laboratory('network.run(); network.setOff("relu1", true);')
    there = laboratory.arrays()
    through = network(plain(first=LeakyReLU(slope=1.0)))
    names = {"relu1": "leakyrelu1", "leakyrelu1": "leakyrelu2"}  # as the other network numbers them
    there = {".".join(names.get(part, part) for part in name.split(".")): array for name, array in there.items()}
    assert_alike(there, traced(through, image), "float64")


def test_a_silenced_channel_is_zero_and_gets_no_gradient(laboratory):
    net, image = network(plain()), picture(PICTURE)
    laboratory.build(told(net, image))
    full = laboratory.arrays()
    laboratory('network.silence("relu1", 2, true);')
    there = laboratory.arrays()
    others = [0, 1, 3]
    assert there["relu1.y"][..., 2].max() == 0 == np.abs(there["relu1.dx"][..., 2]).max()
    assert full["relu1.y"][..., 2].max() > 0 and np.abs(full["relu1.dx"][..., 2]).max() > 0
    assert np.array_equal(there["relu1.y"][..., others], full["relu1.y"][..., others])
    rest = net.tail(2)
    with use_kernels("reference"), keep_for_backward():
        probabilities = ops.softmax(rest.forward(there["relu1.y"]))
        dy = rest.backward(ops.softmax_cross_entropy_backward(probabilities, np.array([1])))
    np.testing.assert_allclose(there["probabilities"], probabilities, rtol=1e-10)
    slope = (there["relu1.y"] > 0).astype("float64")
    np.testing.assert_allclose(there["relu1.dx"], dy * slope, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    "settings",
    [{"lr": 0.1}, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}, {"lr": 0.05, "momentum": 0.5, "nesterov": True}],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_of_sgd_lead_to_the_same_weights(laboratory, name, settings):
    """In training for the residual network, whose running statistics follow; dropout draws anew in each step there."""
    net, image, training = network(NETWORKS[name]()), picture(PICTURE), name == "residual"
    laboratory.build(told(net, image))
    named = {"weightDecay" if key == "weight_decay" else key: value for key, value in settings.items()}
    given = {"training": training, "settings": named}
    found = laboratory(
        """
        network.setTraining(given.training);
        for (let step = 0; step < 3; step++) network.sgdStep(network.run(), given.settings);
        const held = (layer) => [...Object.entries(layer.parameters), ...Object.entries(layer.state)];
        return network.flat.flatMap((layer) => held(layer).map(([key, t]) => [`${layer.name}.${key}`, plain(t)]));
        """,
        given,
    )
    optimizer, loss = SGD(net.parameters(), **settings), SoftmaxCrossEntropy()
    x = (image[None] / 255 - np.array(NORMALIZATION.mean)) / np.array(NORMALIZATION.std)
    with use_kernels("reference"), keep_for_backward():
        for _ in range(3):
            loss.forward(net.forward(x, training), np.array([1]))
            net.backward(loss.backward())
            optimizer.step()
            optimizer.zero_grad()
    there = {key: as_array(array) for key, array in found}
    assert set(there) == set(net.state())
    for key, value in net.state().items():
        np.testing.assert_allclose(there[key], value, rtol=0, atol=1e-10 * np.abs(value).max(), err_msg=key)


def test_training_needs_more_than_one_pixel_a_channel(laboratory):
    laboratory.build(told(network([Conv2D(4, (9, 8)), BatchNorm2D(), Flatten(), Dense(5)]), picture(PICTURE)))
    assert laboratory("return network.tooFewPixels;") == "bn1"
    assert "bn1" in laboratory("try { network.setTraining(true); } catch (error) { return error.message; }")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('network.set("conv9.weight", [0], 1)', "conv1"),
        ('network.set("relu1.weight", [0], 1)', "relu1 has no weight"),
        ('network.set("dense1.bias", [5], 1)', r"no number at \[5\]"),
        ("network.setLabel(5)", "no class 5"),
        ('network.setOff("conv1", true)', "conv1 is no activation"),
    ],
)
def test_what_is_not_there_cannot_be_changed(laboratory, script, message):
    laboratory.build(told(network(plain()), picture(PICTURE)))
    with pytest.raises(Exception, match=message):
        laboratory.page.evaluate(f"() => {{ {script} }}")
