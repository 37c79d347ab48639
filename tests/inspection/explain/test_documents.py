"""A page of each of the documents' networks, of a residual one and of one that is too large, made and walked over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn import Sequential, models, ops, use_kernels
from minicnn.inspection.explain import description, page_data
from tests.inspection.explain.laboratory import NORMALIZATION, picture, scaled
from tests.inspection.explain.networks import network, residual
from tests.inspection.explain.reader import Reader

# As small as they can be: the side of the picture in pixels.
DOCUMENTS = {"cnn3": 24, "cnn2": 20, "cifar_cnn": 20, "torch_cnn": 16, "simple_cnn": 85, "dcnn5": 16}
CLASSES = ("circle", "square", "triangle", "star", "heart")


def document(name: str) -> Sequential:
    return models.build(name, (DOCUMENTS[name], DOCUMENTS[name], 3), classes=len(CLASSES), seed=1)


@pytest.mark.parametrize("name", [*DOCUMENTS, "residual", "stored"])
def test_a_page_opens_and_its_layers_can_be_looked_at(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "stored":
        monkeypatch.setattr(description, "MOST_PARAMETERS", 0)
    net = document(name) if name in DOCUMENTS else network(residual(), "float32")
    assert net.input_shape is not None
    image = picture(net.input_shape)
    data = page_data(net, image, NORMALIZATION, CLASSES, model=name, label=2)
    assert data["live"] == (name != "stored")
    reader = Reader(browser, data, tmp_path)
    with use_kernels("reference"):
        probabilities = ops.softmax(net.forward(scaled(image, "float32")))[0]
    shown = reader.probabilities()
    assert set(shown) == set(CLASSES)
    np.testing.assert_allclose([shown[label] for label in CLASSES], probabilities, rtol=1e-4)
    for layer in net.layers:
        reader.visit(layer.name)
    reader.turn("backward")
    for layer in (net.layers[0], net.layers[-1]):
        reader.visit(layer.name)
    reader.close()
