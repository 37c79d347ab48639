"""The documents' networks: their layers, sizes and numbers of parameters, worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
import pytest

from minicnn import models
from minicnn.errors import ShapeError, UsageError


def conv(inputs, filters, size):
    return size * size * inputs * filters + filters


def dense(*widths):
    return sum(inputs * outputs + outputs for inputs, outputs in pairwise(widths))


# name → (the last feature map at the document's own picture size, the parameters there)
EXPECTED = {
    "cnn3": ((26, 26, 128), conv(3, 32, 3) + conv(32, 64, 3) + conv(64, 128, 3) + dense(26 * 26 * 128, 128, 1000)),
    "cnn2": ((54, 54, 64), conv(3, 32, 3) + conv(32, 64, 3) + dense(54 * 54 * 64, 10)),
    "cifar_cnn": ((4, 4, 64), conv(3, 32, 3) + conv(32, 64, 3) + conv(64, 64, 3) + dense(4 * 4 * 64, 64, 10)),
    "torch_cnn": ((112, 112, 32), conv(3, 32, 3) + dense(112 * 112 * 32, 128, 10)),
    "simple_cnn": (
        (3, 3, 256),
        conv(3, 64, 7) + conv(64, 128, 3) + conv(128, 256, 3) + dense(3 * 3 * 256, 1280, 640, 1000),
    ),
    "dcnn5": ((28, 28, 128), conv(3, 32, 5) + conv(32, 64, 5) + conv(64, 128, 5) + dense(28 * 28 * 128, 1024, 1000)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_feature_map_and_parameters_at_the_document_s_size(name):
    net = models.outline(name)  # shapes alone: drawing dcnn5's hundred million weights would take seconds
    feature_map, parameters = EXPECTED[name]
    flatten = next(layer for layer in net.layers if layer.kind == "flatten")
    assert flatten.input_shape == feature_map
    assert sum(prod(p.shape) for p in net.parameters().values()) == parameters


@pytest.mark.parametrize("name", models.MODELS)
def test_an_outline_has_the_network_s_shapes_and_no_weights(name):
    outline, net = (make(name, (95, 95, 3), 7) for make in (models.outline, models.build))
    declared, drawn = outline.parameters(), net.parameters()
    assert {key: p.shape for key, p in declared.items()} == {key: p.value.shape for key, p in drawn.items()}
    assert [layer.output_shape for layer in outline.layers] == [layer.output_shape for layer in net.layers]
    assert all(p.value is None for p in outline.parameters().values())
    with pytest.raises(RuntimeError, match="Sequential has no weights yet"):
        outline.forward(np.zeros((1, 95, 95, 3), "float32"))


def test_every_document_network_is_there():
    assert set(models.MODELS) >= set(EXPECTED)


def test_input_shape_classes_seed_and_dtype_are_taken(rng):
    net = models.build("cnn3", input_shape=(24, 30, 1), classes=7, seed=3, dtype="float64")
    assert net.forward(rng.standard_normal((2, 24, 30, 1))).shape == (2, 7)
    same = models.build("cnn3", input_shape=(24, 30, 1), classes=7, seed=3, dtype="float64")
    for name, parameter in net.parameters().items():
        np.testing.assert_array_equal(parameter.value, same.parameters()[name].value)


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown model 'cnn4': choose one of alexnet, .*cnn3, cnn2, cifar_cnn"):
        models.build("cnn4")


def test_a_picture_too_small_for_the_network_says_which_layer():
    with pytest.raises(ShapeError, match=r"conv3 .*layer 7 of 13\).*does not fit"):
        models.build("cnn3", input_shape=(12, 12, 3), classes=10)
