"""Shapes are resolved and checked when a network is built, and each error says where, what and why."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from minicnn import (
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Sequential,
)
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.conv2d import resolve_padding
from minicnn.ops.windows import same_padding


@pytest.mark.parametrize(
    "size, kernel, stride, expected",
    [
        (5, 3, 1, (1, 1)),
        (5, 2, 1, (0, 1)),
        (6, 3, 2, (0, 1)),
        (7, 3, 2, (1, 1)),
        (224, 7, 2, (2, 3)),
        (224, 5, 1, (2, 2)),
        (8, 1, 2, (0, 0)),
        (4, 2, 3, (0, 1)),
        (3, 2, 3, (0, 0)),
    ],
)
def test_same_padding_is_tensorflow_s(size, kernel, stride, expected):
    """Values worked out by TensorFlow's published rule: the odd pixel goes to the end."""
    assert same_padding((size, size), (kernel, kernel), (stride, stride)) == (expected, expected)


def test_same_padding_gives_the_smallest_padding_for_ceil_of_input_by_stride():
    for size in range(1, 13):
        for kernel in range(1, 6):
            for stride in range(1, 5):
                before, after = same_padding((size, size), (kernel, kernel), (stride, stride))[0]
                assert 0 <= after - before <= 1
                outputs = (size + before + after - kernel) // stride + 1
                assert outputs == ceil(size / stride)
                if before + after:
                    assert (size + before + after - 1 - kernel) // stride + 1 < outputs


@pytest.mark.parametrize(
    "padding, expected",
    [
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 1), (2, 2))),
        (2, ((2, 2), (2, 2))),
        ((1, 3), ((1, 1), (3, 3))),
        (((0, 1), (2, 3)), ((0, 1), (2, 3))),
    ],
    ids=str,
)
def test_padding_in_all_its_forms(padding, expected):
    assert resolve_padding(padding, (8, 9), (3, 5), (1, 1)) == expected


@pytest.mark.parametrize("padding", ["full", -1, (1, -2), (1, 2, 3), ((1, 2), (3, -4))], ids=str)
def test_wrong_padding_is_refused(padding):
    with pytest.raises((ShapeError, ValueError)):
        Sequential([Conv2D(2, 3, padding=padding)], (8, 8, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2D(0, 3),
        lambda: Conv2D(2, 0),
        lambda: Conv2D(2, 3, stride=0),
        lambda: Conv2D(2, (3, 3, 3)),
        lambda: Conv2D(2.5, 3),
        lambda: MaxPool2D(0),
        lambda: AvgPool2D(2, stride=-1),
        lambda: Dense(0),
        lambda: Dropout(1.0),
        lambda: Dropout(-0.1),
        lambda: Dropout("a"),
        lambda: LeakyReLU(slope="a"),
        lambda: LeakyReLU(None),
        lambda: BatchNorm2D(momentum="a"),
        lambda: BatchNorm2D(epsilon="a"),
        lambda: BatchNorm2D(epsilon=float("inf")),
        lambda: LayerNorm("a"),
        lambda: LayerNorm(0.0),
        lambda: LocalResponseNorm(0),
        lambda: LocalResponseNorm(alpha="a"),
        lambda: LocalResponseNorm(alpha=-1e-4),
        lambda: LocalResponseNorm(beta="a"),
        lambda: LocalResponseNorm(beta=float("nan")),
        lambda: LocalResponseNorm(k="a"),
        lambda: LocalResponseNorm(k=0),
        lambda: Sequential([]),
        lambda: Sequential([Dense(3)], (4,), dtype="float16"),
        lambda: Sequential([Dense(3)], (4, 4)),
        lambda: Sequential([Dense(3)], (0,)),
        lambda: Dense(3, initializer="tens"),
        lambda: Conv2D(3, 3, initializer="tens"),
        lambda: Conv2D(3, 3, initializer=["zeros"]),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(make):
    with pytest.raises(UsageError) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_the_document_s_256_6_6_names_the_real_feature_map():
    """Document 004 §5.2.3 writes Linear(256·6·6): the message says where, what it got, and that the map is 3×3×256."""
    with pytest.raises(ShapeError) as caught:
        Sequential(
            [
                Conv2D(64, 7, stride=2, padding=3), ReLU(), MaxPool2D(3, stride=2),
                Conv2D(128, 3, stride=2, padding=1), ReLU(), MaxPool2D(3, stride=2),
                Conv2D(256, 3, stride=2, padding=1), ReLU(), MaxPool2D(3, stride=2),
                Flatten(), Dropout(0.5), Dense(1280, inputs=256 * 6 * 6), ReLU(), Dense(1000),
            ],
            input_shape=(224, 224, 3),
        )  # fmt: skip
    message = str(caught.value)
    assert "dense1 (Dense, layer 12 of 14)" in message
    assert "inputs=9216, but gets 2304" in message
    assert "3×3×256" in message
    assert "224×224×3" in message
    assert "\n" not in message


def test_the_document_s_32_56_56_names_the_real_feature_map():
    with pytest.raises(ShapeError, match=r"inputs=100352, but gets 401408.*112×112×32"):
        Sequential(
            [Conv2D(32, 3, padding=1), ReLU(), MaxPool2D(2), Flatten(), Dense(128, inputs=32 * 56 * 56)], (224, 224, 3)
        )


def test_a_picture_too_small_names_the_layer_that_cannot_go_on():
    with pytest.raises(ShapeError, match=r"pool2 \(MaxPool2D, layer 4 of 4\).*the picture is too small"):
        Sequential([Conv2D(4, 3), MaxPool2D(2), Conv2D(4, 2), MaxPool2D(2)], (6, 6, 3))


def test_dense_on_a_picture_asks_for_flatten():
    with pytest.raises(ShapeError, match=r"dense1 .*gets a picture 3×3×4: put Flatten\(\) before it"):
        Sequential([Conv2D(4, 3), Dense(2)], (5, 5, 3))


def test_convolution_after_flatten_says_so():
    with pytest.raises(ShapeError, match=r"conv1 \(Conv2D, layer 2 of 2\).*gets 75 numbers: a Flatten"):
        Sequential([Flatten(), Conv2D(4, 3)], (5, 5, 3))


def test_the_same_layer_twice_is_refused():
    layer = ReLU()
    with pytest.raises(UsageError, match="stands twice"):
        Sequential([layer, layer], (3,))


def test_a_batch_of_another_shape_or_dtype_is_refused():
    net = Sequential([Conv2D(2, 3)], (5, 5, 3))
    with pytest.raises(ShapeError, match=r"built for batches of shape \(N, 5, 5, 3\), but gets \(1, 3, 5, 5\)"):
        net.forward(np.zeros((1, 3, 5, 5), "float32"))
    with pytest.raises(ShapeError):
        net.forward(np.zeros((5, 5, 3), "float32"))
    with pytest.raises(TypeError, match=r"computes in float32, but gets float64: convert the batch with x.astype"):
        net.forward(np.zeros((1, 5, 5, 3)))
    with pytest.raises(TypeError, match="expected a NumPy or CuPy array, got list"):
        net.forward([[1.0]])


def test_layers_and_parameters_are_named_by_kind_and_number():
    net = Sequential([Conv2D(2, 3), ReLU(), Conv2D(3, 1), ReLU(), MaxPool2D(2), Flatten(), Dense(4)], (5, 5, 3))
    assert [layer.name for layer in net.layers] == ["conv1", "relu1", "conv2", "relu2", "pool1", "flatten1", "dense1"]
    assert {name: p.value.shape for name, p in net.parameters().items()} == {
        "conv1.weight": (3, 3, 3, 2), "conv1.bias": (2,),
        "conv2.weight": (1, 1, 2, 3), "conv2.bias": (3,),
        "dense1.weight": (3, 4), "dense1.bias": (4,),
    }  # fmt: skip
    assert list(net.parameters()) == [
        "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "dense1.weight", "dense1.bias",
    ]  # fmt: skip
    assert all(parameter.grad is None for parameter in net.parameters().values())


def test_groups_that_do_not_divide_channels_and_filters_are_explained():
    with pytest.raises(ShapeError, match=r"groups=2 should divide both the 3 channels .* 4 filters"):
        Sequential([Conv2D(4, 3, groups=2)], (6, 6, 3))
    with pytest.raises(ShapeError, match=r"groups=4 .* 6 filters"):
        Sequential([Conv2D(6, 3, groups=4)], (6, 6, 4))


def test_a_dilated_window_reaches_further():
    net = Sequential([Conv2D(2, 3, dilation=2), Conv2D(2, 3, dilation=3, padding="same")], (9, 8, 1))
    assert [layer.output_shape for layer in net.layers] == [(5, 4, 2), (5, 4, 2)]
    assert net.conv2.padding == ((3, 3), (3, 3))


def test_a_convolution_without_bias_has_none():
    net = Sequential([Conv2D(2, 3, bias=False)], (5, 5, 1))
    assert list(net.parameters()) == ["conv1.weight"]
