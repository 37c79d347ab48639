"""How weights begin: their variances, and the lesson of the zeros."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import SGD, Conv2D, Dense, Flatten, ReLU, Sequential, SoftmaxCrossEntropy
from minicnn.errors import UsageError
from minicnn.layers.initializers import PIECE, fans, initialize

SHAPES = [(3, 3, 32, 64), (5, 5, 16, 32), (500, 200)]


def test_fans_count_what_goes_in_and_what_comes_out():
    assert fans((3, 5, 4, 7)) == (3 * 5 * 4, 3 * 5 * 7)
    assert fans((10, 20)) == (10, 20)
    assert fans((3, 3, 4, 6), groups=2) == (3 * 3 * 4, 3 * 3 * 3)


def test_a_depthwise_weight_is_drawn_as_one_filter_for_one_channel():
    net = Sequential([Conv2D(2000, 3, groups=2000, initializer="glorot_uniform")], (3, 3, 2000))
    weight = net.layers[0].weight.value
    assert weight.var() == pytest.approx(2 / (9 + 9), rel=0.05)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "name, variance",
    [
        ("glorot_uniform", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("he_normal", lambda fan_in, fan_out: 2 / fan_in),
        ("he_uniform", lambda fan_in, fan_out: 2 / fan_in),
        ("normal", lambda fan_in, fan_out: 0.01**2),
    ],
)
def test_mean_and_variance(name, variance, shape, rng):
    weight = initialize(name, shape, rng, "float64")
    expected = variance(*fans(shape))
    assert abs(weight.mean()) < 4 * (expected / weight.size) ** 0.5
    assert weight.var() == pytest.approx(expected, rel=0.05)
    if name.endswith("uniform"):
        limit = (3 * expected) ** 0.5
        assert np.abs(weight).max() <= limit
        assert np.abs(weight).max() > 0.99 * limit


def test_dtype_is_the_asked_for_one(dtype, rng):
    assert initialize("he_normal", (3, 4), rng, dtype).dtype == dtype


@pytest.mark.parametrize("name", ["he_normal", "glorot_uniform"])
def test_a_weight_drawn_in_pieces_is_the_weight_drawn_at_once(name, dtype):
    shape = (3, PIECE - 5)  # the last piece is a short one
    limit, deviation = (6 / sum(fans(shape))) ** 0.5, (2 / fans(shape)[0]) ** 0.5
    at_once, rng = np.random.default_rng(1), np.random.default_rng(1)
    whole = at_once.normal(0, deviation, shape) if name == "he_normal" else at_once.uniform(-limit, limit, shape)
    np.testing.assert_array_equal(initialize(name, shape, rng, dtype), whole.astype(dtype), strict=True)
    assert rng.random() == at_once.random(), "and the generator stands where it stood"


def test_an_unknown_name_lists_the_known_ones(rng):
    with pytest.raises(UsageError, match="unknown initializer 'lecun': choose one of glorot_uniform, he_normal"):
        initialize("lecun", (3, 4), rng, "float32")


def test_biases_begin_at_zero():
    net = Sequential([Conv2D(4, 3), Flatten(), Dense(3)], (6, 6, 3))
    assert not net.parameters()["conv1.bias"].value.any()
    assert not net.parameters()["dense1.bias"].value.any()


def train(net, rng, steps=20):
    x = rng.standard_normal((16, *net.input_shape)).astype("float32")
    labels = rng.integers(3, size=16)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(steps):
        losses.append(float(loss.forward(net.forward(x, training=True), labels)))
        optimizer.zero_grad()
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    return losses


def test_kernels_of_zeros_never_become_different_from_each_other(rng):
    """Document 004 §3.2 allows them. Every filter gets the same gradient: the layer stays as wide as one filter.

    The dense layer gives each filter the same start too, or it would break the symmetry for the filters below.
    """
    net = Sequential([Conv2D(4, 3, initializer="zeros"), Flatten(), Dense(3, initializer="zeros")], (6, 6, 2))
    rows = np.repeat(rng.standard_normal((16, 1, 3)), 4, axis=1)  # one row of weights a pixel, the same for all filters
    net.parameters()["dense1.weight"].value[:] = rows.reshape(64, 3)
    train(net, rng)
    weight = net.parameters()["conv1.weight"].value
    assert np.abs(weight).max() > 0.01, "the filters have moved,"
    np.testing.assert_allclose(weight, weight[..., :1].repeat(4, axis=3), atol=1e-5, err_msg="but all alike")


def test_a_network_of_zeros_learns_nothing_but_how_often_each_class_comes(rng):
    """With zeros above and below, each layer's gradient is a product with a zero: only the last bias ever moves."""
    net = Sequential([Conv2D(4, 3, initializer="zeros"), ReLU(), Flatten(), Dense(3, initializer="zeros")], (6, 6, 2))
    train(net, rng)
    moved = {name for name, parameter in net.parameters().items() if parameter.value.any()}
    assert moved == {"dense1.bias"}


def test_random_weights_learn_what_zeros_cannot():
    """Zeros cannot do better than to guess by how often each class comes, whose loss is the labels' entropy."""
    losses = {}
    for name in ("he_normal", "zeros"):
        layers = [Conv2D(4, 3, initializer=name), ReLU(), Flatten(), Dense(3, initializer=name)]
        losses[name] = train(Sequential(layers, (6, 6, 2)), np.random.default_rng(0))
    rng = np.random.default_rng(0)
    rng.standard_normal((16, 6, 6, 2))  # the pictures, drawn before the labels
    shares = np.bincount(rng.integers(3, size=16)) / 16
    entropy = -(shares * np.log(shares)).sum()
    assert losses["zeros"][-1] > entropy - 1e-4
    assert losses["he_normal"][-1] < entropy / 4


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [(3, 3, 4, 6), (3, 5, 4, 4), (2, 2, 3, 12)], ids=str)
def test_dirac_s_first_filters_are_pytorch_s_and_the_others_uniform(shape, groups, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    weight = initialize("dirac", shape, rng, "float64", groups)
    height, width, channels, filters = shape
    theirs = torch.nn.init.dirac_(torch.empty(filters, channels, height, width), groups).permute(2, 3, 1, 0).numpy()
    given = np.arange(filters) % (filters // groups) < channels
    np.testing.assert_array_equal(weight[..., given], theirs[..., given])
    rest = np.abs(weight[..., ~given])
    limit = (height * width * channels) ** -0.5
    assert rest.size == 0 or 0.6 * limit < rest.max() <= limit
