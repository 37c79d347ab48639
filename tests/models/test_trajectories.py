"""Ten training steps of every network give the losses that PyTorch gave, frozen in trajectories.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import SoftmaxCrossEntropy, models, use_kernels
from tests.models.trajectory import ADAM, ADAM_EPSILON, SEED, SETTINGS, SGD, STEPS, batches

LOSSES = json.loads(Path(__file__).with_name("trajectories.json").read_text())["losses"]
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


def train(name: str, optimizer: str, dtype: str) -> list[float]:
    """Return the loss before each of the steps, in nats."""
    setting = SETTINGS[name]
    net = models.build(name, (setting.image_size, setting.image_size, 3), setting.classes, seed=SEED, dtype=dtype)
    for layer in net.layers:
        if layer.kind == "dropout":
            layer.rate = 0.0
    loss = SoftmaxCrossEntropy()
    updates = {
        "sgd": lambda: minicnn.SGD(net.parameters(), **SGD),
        "adam": lambda: minicnn.Adam(net.parameters(), **ADAM, epsilon=ADAM_EPSILON),
    }[optimizer]()
    losses = []
    for x, labels in batches(setting):
        losses.append(float(loss.forward(net.forward(x.astype(dtype), training=True), labels)))
        updates.zero_grad()
        net.backward(loss.backward(), input_gradient=False)
        updates.step()
    return losses


def test_every_network_of_the_documents_has_a_trajectory_and_learns_on_it_nothing_by_chance():
    networks = {name for name, kind in models.MODELS.items() if kind.layers.__module__ == "minicnn.models.documents"}
    assert set(LOSSES) == set(SETTINGS) == networks
    for runs in LOSSES.values():
        for losses in runs.values():
            assert len(losses) == STEPS
            assert len(set(losses)) == STEPS


@pytest.mark.parametrize("mode, dtype", [("reference", "float64"), ("fast", "float64"), ("fast", "float32")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", SETTINGS)
def test_ten_steps_give_pytorch_s_losses(name, optimizer, mode, dtype):
    with use_kernels(mode):
        losses = train(name, optimizer, dtype)
    np.testing.assert_allclose(losses, LOSSES[name][optimizer], rtol=TOLERANCE[dtype])
